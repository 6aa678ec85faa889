// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/model/topics.h"

#include <fast_float/fast_float.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <unordered_map>

#include "base/error.h"
#include "base/json.h"

namespace clary::ntm {
namespace {

using Lists = std::vector<std::vector<std::int32_t>>;

std::string word_text(std::int32_t word, std::span<const std::string> vocabulary) {
  return vocabulary.empty() ? std::to_string(word) : vocabulary[static_cast<std::size_t>(word)];
}

std::string csv_field(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

/// Ids of the documents that hold each word of the lists, ascending.
/// Documents are visited in order, so that every list ascends, as common() needs.
std::unordered_map<std::int32_t, std::vector<std::int32_t>> postings_of(const Lists& top, const Documents& documents) {
  std::unordered_map<std::int32_t, std::vector<std::int32_t>> postings;
  for (const auto& list : top)
    for (const std::int32_t w : list) postings[w];
  for (std::int64_t d = 0; d < documents.size(); ++d) {
    const Document doc = documents[d];
    for (std::int64_t i = 0; i < doc.size; ++i) {
      const auto found = postings.find(doc.words[i]);
      if (found != postings.end()) found->second.push_back(static_cast<std::int32_t>(d));
    }
  }
  return postings;
}

std::int64_t common(const std::vector<std::int32_t>& a, const std::vector<std::int32_t>& b) {
  std::int64_t n = 0;
  // Merge of two ascending lists.
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    n += a[i] == b[j];
    const bool step_a = a[i] <= b[j], step_b = b[j] <= a[i];
    i += step_a;
    j += step_b;
  }
  return n;
}

}  // namespace

Lists top_words(const Matrix& decoder) {
  const std::int64_t topics = decoder.rows - 1, vocabulary = decoder.columns;
  const std::int64_t n = std::min(kTopWords, vocabulary);
  Lists out;
  std::vector<std::int32_t> order(static_cast<std::size_t>(vocabulary));
  for (std::int64_t k = 0; k < topics; ++k) {
    const float* w = decoder.row(k);
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + n, order.end(),
                      // Equal weights by the smaller id: the same list on every machine.
                      [&](std::int32_t a, std::int32_t b) { return w[a] != w[b] ? w[a] > w[b] : a < b; });
    out.emplace_back(order.begin(), order.begin() + n);
  }
  return out;
}

// TU (Nan et al. 2019): the mean over a topic's top words of 1 / (number of topics that have the word in their list).
std::vector<double> topic_uniqueness(const Lists& top) {
  std::unordered_map<std::int32_t, int> places;
  for (const auto& list : top)
    for (const std::int32_t w : list) ++places[w];
  std::vector<double> out;
  for (const auto& list : top) {
    double sum = 0;
    for (const std::int32_t w : list) sum += 1.0 / places[w];
    out.push_back(list.empty() ? 0 : sum / static_cast<double>(list.size()));
  }
  return out;
}

// Counts of words and pairs in the order in which npmi() reads them. They add up over hosts.
Cooccurrence count_cooccurrence(const Lists& top, const Documents& documents) {
  const auto postings = postings_of(top, documents);
  Cooccurrence out;
  out.documents = documents.size();
  for (const auto& list : top) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      out.words.push_back(static_cast<std::int64_t>(postings.at(list[i]).size()));
      for (std::size_t j = i + 1; j < list.size(); ++j) {
        out.pairs.push_back(common(postings.at(list[i]), postings.at(list[j])));
      }
    }
  }
  return out;
}

// NPMI (Bouma 2009): log(p(a, b) / (p(a) p(b))) / -log p(a, b), mean over the pairs of a topic's top words. -1 when
// two words never meet, 1 when they are in all documents, where the formula is 0 / 0.
std::vector<double> npmi(const Cooccurrence& counts, std::int64_t topics) {
  std::vector<double> out;
  const auto total = static_cast<double>(counts.documents);
  const std::size_t n = counts.words.size() / static_cast<std::size_t>(std::max<std::int64_t>(topics, 1));
  std::size_t pair = 0;
  for (std::int64_t k = 0; k < topics; ++k) {
    const std::int64_t* words = counts.words.data() + static_cast<std::size_t>(k) * n;
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = i + 1; j < n; ++j, ++pair) {
        const auto both = static_cast<double>(counts.pairs[pair]);
        if (both == 0) {
          sum -= 1;
        } else if (both == total) {
          sum += 1;
        } else {
          const double pmi = std::log(both * total / (static_cast<double>(words[i]) * static_cast<double>(words[j])));
          sum += pmi / -std::log(both / total);
        }
      }
    }
    out.push_back(n < 2 ? 0 : sum / (static_cast<double>(n * (n - 1)) / 2));
  }
  return out;
}

// WETC: the mean cosine of the top words' vectors; read_word_vectors() has scaled them to length one. Words without a
// vector count as 0.
std::vector<double> embedding_coherence(const Lists& top,
                                        const std::function<std::span<const float>(std::int32_t)>& vector_of) {
  std::vector<double> out;
  for (const auto& list : top) {
    double sum = 0;
    for (std::size_t i = 0; i < list.size(); ++i) {
      for (std::size_t j = i + 1; j < list.size(); ++j) {
        const auto a = vector_of(list[i]), b = vector_of(list[j]);
        if (!a.empty() && !b.empty()) sum += std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
      }
    }
    const auto n = static_cast<double>(list.size());
    out.push_back(list.size() < 2 ? 0 : sum / (n * (n - 1) / 2));
  }
  return out;
}

std::span<const float> WordVectors::of(std::int32_t word) const {
  const std::int64_t row = row_of[static_cast<std::size_t>(word)];
  if (row < 0) return {};
  return {values.data() + row * dimension, static_cast<std::size_t>(dimension)};
}

WordVectors read_word_vectors(const std::filesystem::path& file, std::span<const std::string> vocabulary) {
  std::ifstream in(file);
  if (!in) throw Error(Kind::kNotFound, fmt::format("ntm: word vectors {} cannot be opened", file.string()));
  std::unordered_map<std::string_view, std::int64_t> id;
  for (std::size_t i = 0; i < vocabulary.size(); ++i) id.emplace(vocabulary[i], static_cast<std::int64_t>(i));
  WordVectors out;
  out.row_of.assign(vocabulary.size(), -1);
  std::int64_t found = 0;
  std::string line;
  std::vector<float> row;
  for (std::int64_t number = 1; std::getline(in, line); ++number) {
    const std::size_t space = line.find(' ');
    if (space == std::string::npos) continue;
    // The first line of a word2vec file is "count dimension": one number after the first blank.
    if (number == 1 && line.find(' ', space + 1) == std::string::npos) continue;
    const auto wanted = id.find(std::string_view(line).substr(0, space));
    // The first line of a word counts.
    if (wanted == id.end() || out.row_of[static_cast<std::size_t>(wanted->second)] >= 0) continue;
    row.clear();
    const char* at = line.data() + space;
    const char* end = line.data() + line.size();
    for (;;) {
      while (at != end && (*at == ' ' || *at == '\r')) ++at;
      if (at == end) break;
      float x = 0;
      const auto parsed = fast_float::from_chars(at, end, x);
      if (parsed.ec != std::errc() || !std::isfinite(x)) {
        throw Error(Kind::kMalformed, fmt::format("ntm: {}: line {}: number {} of word '{}' cannot be read",
                                                  file.string(), number, row.size() + 1, wanted->first));
      }
      row.push_back(x);
      at = parsed.ptr;
    }
    if (out.dimension == 0) out.dimension = static_cast<std::int64_t>(row.size());
    if (row.empty() || static_cast<std::int64_t>(row.size()) != out.dimension) {
      throw Error(Kind::kMalformed, fmt::format("ntm: {}: line {} has {} numbers, the lines before have {}",
                                                file.string(), number, row.size(), out.dimension));
    }
    const double length = std::sqrt(std::inner_product(row.begin(), row.end(), row.begin(), 0.0));
    for (const float x : row) out.values.push_back(length > 0 ? static_cast<float>(x / length) : 0);
    out.row_of[static_cast<std::size_t>(wanted->second)] = found++;
  }
  out.missing = static_cast<std::int64_t>(vocabulary.size()) - found;
  return out;
}

double TopicReport::mean(const std::vector<double>& values) {
  return values.empty() ? 0 : std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<std::string> log_lines(const TopicReport& report, std::span<const std::string> vocabulary) {
  const bool named = !vocabulary.empty(), coherent = !report.coherence.empty();
  const double tu = TopicReport::mean(report.uniqueness);
  std::vector<std::string> lines;
  std::string scores = coherent ? fmt::format("[wetc {:.2f}, tu {:.2f}]", TopicReport::mean(report.coherence), tu)
                                : fmt::format("[tu {:.2f}]", tu);
  if (!named) scores = fmt::format(", tu {:.2f}", tu);
  // The shape of AWS's log lines.
  const std::string head = fmt::format("Topics from epoch:final (num_topics:{})", report.top.size());
  lines.push_back(named ? fmt::format("{} {}:", head, scores) : fmt::format("{} [{}]:", head, scores));
  for (std::size_t k = 0; k < report.top.size(); ++k) {
    std::string line;
    if (named) {
      line = coherent ? fmt::format("[{:.2f}, {:.2f}]", report.coherence[k], report.uniqueness[k])
                      : fmt::format("[{:.2f}]", report.uniqueness[k]);
    }
    for (const std::int32_t w : report.top[k]) {
      if (!line.empty()) line += ' ';
      line += word_text(w, vocabulary);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<float> word_distribution(const Matrix& decoder, std::int64_t topic) {
  const float* w = decoder.row(topic);
  // The bias is left out: it is shared by all topics.
  std::vector<float> out(w, w + decoder.columns);
  const float top = *std::max_element(out.begin(), out.end());
  double sum = 0;
  for (float& x : out) sum += x = std::exp(x - top);
  for (float& x : out) x = static_cast<float>(x / sum);
  return out;
}

std::string topics_json(const TopicReport& report, const Matrix& decoder, std::span<const std::string> vocabulary) {
  Json root;
  root["num_topics"] = report.top.size();
  root["vocabulary_size"] = decoder.columns;
  root["topic_uniqueness"] = TopicReport::mean(report.uniqueness);
  root["npmi"] = TopicReport::mean(report.npmi);
  if (!report.coherence.empty()) root["wetc"] = TopicReport::mean(report.coherence);
  root["topics"] = Json::array();
  for (std::size_t k = 0; k < report.top.size(); ++k) {
    Json topic;
    topic["topic"] = k;
    topic["topic_uniqueness"] = report.uniqueness[k];
    topic["npmi"] = report.npmi[k];
    if (!report.coherence.empty()) topic["wetc"] = report.coherence[k];
    const std::vector<float> share = word_distribution(decoder, static_cast<std::int64_t>(k));
    topic["words"] = Json::array();
    for (const std::int32_t w : report.top[k]) {
      topic["words"].push_back(
          {{"word", word_text(w, vocabulary)}, {"id", w}, {"probability", share[static_cast<std::size_t>(w)]}});
    }
    root["topics"].push_back(std::move(topic));
  }
  return dump_json(root) + "\n";
}

std::string topics_csv(const TopicReport& report, const Matrix& decoder, std::span<const std::string> vocabulary) {
  std::string out = "topic,rank,word,id,probability,topic_uniqueness,npmi,wetc\n";
  for (std::size_t k = 0; k < report.top.size(); ++k) {
    const std::vector<float> share = word_distribution(decoder, static_cast<std::int64_t>(k));
    const std::string coherence = report.coherence.empty() ? "" : fmt::format("{:.6f}", report.coherence[k]);
    for (std::size_t i = 0; i < report.top[k].size(); ++i) {
      const std::int32_t w = report.top[k][i];
      out += fmt::format("{},{},{},{},{:.8g},{:.6f},{:.6f},{}\n", k, i + 1, csv_field(word_text(w, vocabulary)), w,
                         share[static_cast<std::size_t>(w)], report.uniqueness[k], report.npmi[k], coherence);
    }
  }
  return out;
}

}  // namespace clary::ntm
