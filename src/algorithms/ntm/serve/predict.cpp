// SPDX-License-Identifier: Apache-2.0
// Model::predict: rows of counts or of raw words to topic weights.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "algorithms/ntm/data/documents.h"
#include "algorithms/ntm/model/encoder.h"
#include "algorithms/ntm/model/model.h"
#include "base/error.h"
#include "base/text.h"

namespace clary::ntm {
namespace {

constexpr std::int64_t kServeRows = 256;
constexpr std::size_t kMostTopicBytes = std::size_t{256} << 20;  // of the texts of one answer

/// Counts of the known words of one row of raw words; unknown ones are dropped.
void append_tokens(Documents& to, const std::vector<std::string>& tokens,
                   const std::unordered_map<std::string_view, std::int32_t>& word_id) {
  std::map<std::int32_t, float> counts;
  for (const std::string& token : tokens) {
    auto found = word_id.find(token);
    // Exact first; vocabularies are often lower case.
    if (found == word_id.end()) found = word_id.find(lower(token));
    if (found != word_id.end()) ++counts[found->second];
  }
  float total = 0;
  for (const auto& [word, count] : counts) {
    to.words.push_back(word);
    to.counts.push_back(count);
    total += count;
  }
  to.offsets.push_back(static_cast<std::int64_t>(to.words.size()));
  to.totals.push_back(total);
}

/// A row of a request; unlike in training it may be empty.
void append_row(Documents& to, const formats::Batch& rows, std::int64_t r) {
  float total = 0;
  const auto add = [&](std::int64_t word, float count) {
    if (count == 0) return;
    // Written so that NaN fails.
    if (!(count > 0) || std::isinf(count)) {
      throw Error(Kind::kMalformed,
                  fmt::format("ntm: row {}, word {}: count {} is not a finite number >= 0", r + 1, word, count));
    }
    to.words.push_back(static_cast<std::int32_t>(word));
    to.counts.push_back(count);
    total += count;
  };
  if (rows.sparse) {
    const auto columns = rows.row_columns(r);
    const auto values = rows.row_values(r);
    for (std::size_t i = 0; i < values.size(); ++i) add(columns[i], values[i]);
  } else {
    const auto values = rows.row(r);
    for (std::size_t i = 0; i < values.size(); ++i) add(static_cast<std::int64_t>(i), values[i]);
  }
  to.offsets.push_back(static_cast<std::int64_t>(to.words.size()));
  to.totals.push_back(total);
}

/// The top words of each topic, as one text.
std::vector<std::string> topic_texts(const std::vector<std::vector<std::int32_t>>& topics,
                                     const std::vector<std::string>& vocabulary) {
  std::vector<std::string> texts;
  for (const auto& top : topics) {
    std::string text;
    for (const std::int32_t w : top) {
      if (!text.empty()) text += ' ';
      text += vocabulary.empty() ? std::to_string(w) : vocabulary[static_cast<std::size_t>(w)];
    }
    texts.push_back(std::move(text));
  }
  return texts;
}

/// The column "topics": the same texts for each row. An empty row is one byte of a request and thousands of an answer.
/// @throws Error{kLimit} beyond kMostTopicBytes
shell::Column topics_column(const std::vector<std::string>& topics, std::int64_t rows) {
  std::size_t bytes = 0;
  for (const std::string& text : topics) bytes += sizeof(text) + text.size();
  const auto count = static_cast<std::size_t>(rows);
  if (bytes > 0 && count > kMostTopicBytes / bytes) {
    throw Error(Kind::kLimit, fmt::format("topics=true for {} rows would give more than {} bytes of topics; send at "
                                          "most {} rows",
                                          rows, kMostTopicBytes, kMostTopicBytes / bytes));
  }
  std::vector<std::string> texts;
  texts.reserve(count * topics.size());
  // As many texts for each row as topics: the offsets are a plain sequence.
  std::vector<std::int64_t> offsets{0};
  for (std::int64_t r = 0; r < rows; ++r) {
    texts.insert(texts.end(), topics.begin(), topics.end());
    offsets.push_back(static_cast<std::int64_t>(texts.size()));
  }
  return shell::Column::of_text_lists("topics", std::move(texts), std::move(offsets));
}

}  // namespace

std::vector<float> topic_weights(const Parameters& p, std::span<const Document> documents) {
  // A team of one thread: requests run in parallel with each other, not within.
  // One workspace per serving thread: a request of one document should not pay for allocation.
  thread_local Team team(1);
  thread_local Encoder encoder;
  const std::int64_t topics = p.shape.topics;
  std::vector<float> out;
  out.reserve(documents.size() * static_cast<std::size_t>(topics));
  for (std::size_t first = 0; first < documents.size(); first += kServeRows) {
    const auto part = documents.subspan(first, std::min<std::size_t>(kServeRows, documents.size() - first));
    // z is the mean: no sampling in inference, so that answers are reproducible.
    encoder.forward(part, p, Encoder::Statistics::kRunning, team);
    for (std::size_t d = 0; d < part.size(); ++d) {
      const float* mean = encoder.output().row(static_cast<std::int64_t>(d));
      // Shifted by the maximum, so that exp() cannot overflow.
      const float top = *std::max_element(mean, mean + topics);
      double sum = 0;
      for (std::int64_t k = 0; k < topics; ++k) sum += std::exp(static_cast<double>(mean[k] - top));
      for (std::int64_t k = 0; k < topics; ++k) {
        out.push_back(static_cast<float>(std::exp(static_cast<double>(mean[k] - top)) / sum));
      }
    }
  }
  return out;
}

shell::Predictions Model::predict(const formats::Batch& rows, const shell::ServeRequest& request) const {
  // First, so that an answer that is too large costs no time.
  std::optional<shell::Column> topics;
  if (request.flag("topics")) topics = topics_column(topic_texts(report_.top, vocabulary_), rows.rows);
  Documents documents;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const auto i = static_cast<std::size_t>(r);
    if (i < rows.tokens.size() && !rows.tokens[i].empty()) {
      append_tokens(documents, rows.tokens[i], word_id_);
    } else {
      append_row(documents, rows, r);
    }
  }
  std::vector<Document> list;
  for (std::int64_t i = 0; i < documents.size(); ++i) list.push_back(documents[i]);
  shell::Predictions out;
  out.rows = rows.rows;
  out.columns.push_back(
      shell::Column::of_lists("topic_weights", topic_weights(parameters_, list), parameters_.shape.topics));
  if (topics) out.columns.push_back(std::move(*topics));
  return out;
}

}  // namespace clary::ntm
