// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/serve/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "algorithms/seq2seq/serve/requests.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/content_type.h"
#include "formats/sequence_record.h"
#include "learning/numeric/index.h"
#include "learning/shell/encode.h"

namespace clary::seq2seq {
namespace {

using formats::Format;
using numeric::at;
using shell::append_json_text;
using shell::append_number;

constexpr std::array<std::string_view, 3> kTypes{"application/json", "application/jsonlines",
                                                 "application/x-recordio-protobuf"};
constexpr double kMaxMatrixCells = 4'000'000;  // of all attention matrices of a request

shell::Answer refusal(int status, std::string text) { return {status, "text/plain; charset=utf-8", std::move(text)}; }

/// AWS's guide spells "applications/x-recordio-protobuf" once.
void respell(formats::ContentType& type) {
  if (type.type.starts_with("applications/")) type.type.erase(std::string_view("application").size(), 1);
  if (type.format() == Format::kJsonLines) type.type = kTypes[1];
}

/// Whether the answer may have the request's type.
bool accepts(std::string_view accept, const std::string& type) {
  if (trimmed(accept).empty()) return true;
  for (formats::ContentType& entry : formats::parse_accept(accept)) {
    respell(entry);
    if (entry.type == type || entry.type == "*/*" || entry.type == "application/*" || entry.type.empty()) return true;
  }
  return false;
}

/// Most words of the translation of a source (README.md, "Search").
double most_words(std::int64_t source_words, const DecodeLimits& limits) {
  constexpr std::int64_t kStep = 10;  // lengths are rounded up to it
  const std::int64_t piece = std::max<std::int64_t>(1, std::min(source_words, limits.max_source));
  const std::int64_t pieces = (source_words + piece - 1) / piece, rounded = (piece + kStep - 1) / kStep * kStep;
  const double ratio = limits.length_ratio_mean + 2 * limits.length_ratio_std;
  return static_cast<double>(pieces) * std::max(2.0, std::ceil(ratio * static_cast<double>(rounded)));
}

void check_matrices(const std::vector<Query>& queries, const DecodeLimits& limits) {
  double cells = 0;
  for (const Query& query : queries)
    if (query.options.attention)
      cells += static_cast<double>(query.ids.size()) * most_words(std::ssize(query.ids), limits) *
               static_cast<double>(query.options.n_best);
  if (cells > kMaxMatrixCells)
    throw Error(
        Kind::kLimit,
        fmt::format("the attention matrices may have {:.0f} numbers, at most {:.0f} are allowed; send fewer or shorter "
                    "sequences, or none with attention_matrix",
                    cells, kMaxMatrixCells));
}

/// A query's hypotheses, with what its answer needs of it.
struct Answered {
  std::vector<Translation> hypotheses;  // best first, at least one
  std::size_t source_words = 0;
  bool attention = false, score = false, several = false;
};

/// Queries with the same options are translated together.
std::vector<Answered> translated(std::vector<Query> queries, const Translate& translate) {
  std::vector<Answered> out(queries.size());
  std::map<std::tuple<std::int64_t, std::int64_t, bool>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const DecodeOptions& options = queries[i].options;
    groups[{options.beam_size, options.n_best, options.attention}].push_back(i);
    out[i] = {{}, queries[i].ids.size(), options.attention, queries[i].score, options.n_best > 1};
  }
  for (const auto& [key, members] : groups) {
    std::vector<std::vector<std::int32_t>> sources;
    for (const std::size_t i : members) sources.push_back(std::move(queries[i].ids));
    auto results = translate(sources, queries[members.front()].options);
    for (std::size_t k = 0; k < members.size(); ++k) out[members[k]].hypotheses = std::move(results[k]);
  }
  return out;
}

class Writer {
 public:
  explicit Writer(const Vocabulary& target) : target_(target) {}

  /// {"target": "..."}, with "matrix", "score" and "n_best" where they are wanted
  void object(const Answered& answered) {
    const Translation& best = answered.hypotheses.front();
    out_ += '{';
    hypothesis(best, answered, answered.score);
    if (answered.several) {
      out_ += R"(, "n_best": [)";
      for (std::size_t i = 0; i < answered.hypotheses.size(); ++i) {
        out_ += i > 0 ? ", {" : "{";
        hypothesis(answered.hypotheses[i], answered, true);
        out_ += '}';
      }
      out_ += ']';
    }
    out_ += '}';
  }

  std::string json(std::span<const Answered> all) {
    out_ += R"({"predictions": [)";
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (i > 0) out_ += ", ";
      object(all[i]);
    }
    return std::move(out_ += "]}");
  }

  std::string json_lines(std::span<const Answered> all) {
    for (const Answered& answered : all) object(answered), out_ += '\n';
    return std::move(out_);
  }

 private:
  void hypothesis(const Translation& translation, const Answered& answered, bool score) {
    out_ += R"("target": )";
    append_json_text(out_, target_.line(translation.ids));
    if (answered.attention) {
      out_ += R"(, "matrix": )";
      matrix(translation, answered.source_words);
    }
    if (score) {
      out_ += R"(, "score": )";
      append_number(out_, static_cast<float>(translation.score));
    }
  }

  /// A row for each target word, a column for each word of the source.
  void matrix(const Translation& translation, std::size_t columns) {
    out_ += '[';
    for (std::size_t row = 0; row < translation.ids.size(); ++row) {
      out_ += row > 0 ? ", [" : "[";
      for (std::size_t column = 0; column < columns; ++column) {
        if (column > 0) out_ += ", ";
        append_number(out_, translation.attention[row * columns + column]);
      }
      out_ += ']';
    }
    out_ += ']';
  }

  const Vocabulary& target_;
  std::string out_;
};

std::string records(std::span<const Answered> all) {
  std::string out;
  for (const Answered& answered : all)
    formats::append_sequence_record(out, std::nullopt, answered.hypotheses.front().ids);
  return out;
}

std::string body_of(const formats::ContentType& type, std::span<const Answered> all, const Vocabulary& target) {
  switch (type.format()) {
    case Format::kJson:
      return Writer(target).json(all);
    case Format::kJsonLines:
      return Writer(target).json_lines(all);
    default:
      return records(all);
  }
}

}  // namespace

shell::Answer answer_to(const shell::Invocation& invocation, const AnswerContext& context, const Translate& translate) {
  formats::ContentType type = formats::parse_content_type(invocation.content_type);
  respell(type);
  if (type.type.empty()) type.type = kTypes.front();
  if (std::find(kTypes.begin(), kTypes.end(), type.type) == kTypes.end())
    return refusal(415, fmt::format("content-type {} not supported; expected {}", type.type.substr(0, 200),
                                    fmt::join(kTypes, ", ")));
  if (!accepts(invocation.accept, type.type))
    return refusal(406,
                   fmt::format("accept type {} not supported for a request of {}; the answer has the request's type",
                               trimmed(invocation.accept).substr(0, 200), type.type));
  try {
    type.require_utf8();
    std::vector<Query> queries = read_queries(type, invocation.body, context.source, context.usual);
    check_matrices(queries, context.limits);
    return {200, type.type, body_of(type, translated(std::move(queries), translate), context.target)};
  } catch (const Error& error) {
    const int status = error.kind() == Kind::kLimit ? 413 : 400;
    if (status == 400 && error.kind() != Kind::kMalformed && error.kind() != Kind::kInvalid) throw;
    return refusal(status, std::string("Unable to evaluate payload provided: ") + error.what());
  }
}

}  // namespace clary::seq2seq
