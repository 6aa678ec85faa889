// SPDX-License-Identifier: Apache-2.0
// Model::answer: which type a request has, and the answer in the same type. Word vectors: {"vector", "word"};
// a classifier: {"label", "prob"}, in the order of keys that BlazingText has in each form.
#include <algorithm>
#include <array>

#include "algorithms/blazingtext/data/simple_text.h"
#include "algorithms/blazingtext/model/parts.h"
#include "algorithms/blazingtext/serve/classify.h"
#include "algorithms/blazingtext/serve/request.h"
#include "learning/numeric/team.h"
#include "learning/shell/encode.h"

namespace clary::blazingtext {
namespace {

using formats::Format;
using shell::append_json_text;
using shell::append_number;

constexpr std::array<std::string_view, 4> kTypes{"application/json", "application/jsonlines", "text/csv", "text/plain"};

/// A list in brackets. @param append_one  writes an element
template <class List, class Append>
void append_list(std::string& out, const List& list, Append&& append_one) {
  out += '[';
  bool first = true;
  for (const auto& element : list) {
    if (!first) out += ", ";
    first = false;
    append_one(element);
  }
  out += ']';
}

constexpr std::int64_t kLeastQueries = 32;  // a thread's share of a request: some 0.2 ms or more

/// Writes the answers to one query after the other: lines, or elements of a JSON array without its brackets.
/// Text is written directly: with a JSON document for each answer, building it would cost more than the model.
class Writer {
 public:
  Writer(const Model& model, Format format) : model_(model), format_(format) {}

  void add(const Query& query) {
    if (format_ == Format::kJson && !out_.empty()) out_ += ", ";
    std::string simple;
    // The rules of the training text apply to the request; the answer echoes the text as it was asked.
    if (model_.tokenizer == TextRules::kSimple) simple = simple_words(query.text);
    const std::string_view text = model_.tokenizer == TextRules::kSimple ? simple : query.text;
    if (query.kind == Query::Kind::kNeighbours)
      add_neighbours(query.text, text, query.k);
    else if (query.kind == Query::Kind::kSentence)
      add_vector(query.text, text_vector(model_, text), "sentence");
    else if (model_.is_supervised())
      add_labels(classify(model_, text, query.k, query.threshold));
    else
      add_vector(query.text, word_vector(model_, text), "word");
    if (format_ != Format::kJson) out_ += '\n';
  }

  std::string take() { return std::move(out_); }

 private:
  void add_labels(const std::vector<RankedLabel>& ranked) {
    if (format_ == Format::kCsv) return add_csv_labels(ranked);
    const bool label_first = format_ == Format::kJson;
    out_ += label_first ? R"({"label": )" : R"({"prob": )";
    label_first ? add_names(ranked) : add_probabilities(ranked);
    out_ += label_first ? R"(, "prob": )" : R"(, "label": )";
    label_first ? add_probabilities(ranked) : add_names(ranked);
    out_ += '}';
  }

  void add_names(const std::vector<RankedLabel>& ranked) {
    append_list(out_, ranked,
                [&](const RankedLabel& entry) { append_json_text(out_, model_.dictionary.label(entry.label)); });
  }

  void add_probabilities(const std::vector<RankedLabel>& ranked) {
    append_list(out_, ranked, [&](const RankedLabel& entry) { append_number(out_, entry.probability); });
  }

  /// {"nn": [{"word": "queen", "similarity": 0.9}, ...], "word": "king"}
  /// @param asked  as in the request; @param word  by the model's rules of text
  void add_neighbours(const std::string& asked, std::string_view word, std::int64_t k) {
    const auto near = model_.neighbours->of(model_).nearest(word_vector(model_, word), k, model_.dictionary.find(word));
    out_ += R"({"nn": )";
    append_list(out_, near, [&](const Neighbour& neighbour) {
      out_ += R"({"word": )";
      append_json_text(out_, model_.dictionary.words[static_cast<std::size_t>(neighbour.word)]);
      out_ += R"(, "similarity": )";
      append_number(out_, neighbour.similarity);
      out_ += '}';
    });
    out_ += R"(, "word": )";
    append_json_text(out_, asked);
    out_ += '}';
  }

  /// @param key  "word" or "sentence"
  void add_vector(const std::string& word, const std::vector<float>& vector, std::string_view key) {
    if (format_ == Format::kCsv) {
      add_csv_text(word);
      for (const float value : vector) out_ += ',', append_number(out_, value);
      return;
    }
    out_ += R"({"vector": )";
    append_list(out_, vector, [&](float value) { append_number(out_, value); });
    out_.append(", \"").append(key).append("\": ");
    append_json_text(out_, word);
    out_ += '}';
  }

  /// label,probability,label,probability, ...
  void add_csv_labels(const std::vector<RankedLabel>& ranked) {
    bool first = true;
    for (const auto& entry : ranked) {
      if (!first) out_ += ',';
      first = false;
      add_csv_text(model_.dictionary.label(entry.label));
      out_ += ',';
      append_number(out_, entry.probability);
    }
  }

  void add_csv_text(std::string_view text) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
      out_ += text;
      return;
    }
    out_ += '"';
    for (const char c : text) c == '"' ? out_ += "\"\"" : out_ += c;
    out_ += '"';
  }

  const Model& model_;
  Format format_;
  std::string out_;
};

/// The answers to all queries, a long request's on several threads.
/// Each part writes its own text; the parts are joined in order.
std::string answers_to(const std::vector<Query>& queries, const Model& model, Format format) {
  const int parts = worthwhile_parts(std::ssize(queries), kLeastQueries);
  std::vector<std::string> written(static_cast<std::size_t>(parts));
  in_parts(parts, [&](int part) {
    Writer writer(model, format);
    const auto [begin, end] = numeric::share(std::ssize(queries), part, parts);
    for (std::int64_t i = begin; i < end; ++i) writer.add(queries[static_cast<std::size_t>(i)]);
    written[static_cast<std::size_t>(part)] = writer.take();
  });
  const bool json = format == Format::kJson;
  std::string out = json ? "[" : "";
  for (std::size_t part = 0; part < written.size(); ++part) {
    if (json && part > 0) out += ", ";
    out += written[part];
  }
  return json ? out += "]" : out;
}

}  // namespace

shell::Answer Model::answer(const shell::Invocation& invocation) const {
  auto type = formats::parse_content_type(invocation.content_type);
  if (type.type.empty()) type.type = kTypes.front();
  if (std::find(kTypes.begin(), kTypes.end(), type.type) == kTypes.end())
    return {415, "text/plain; charset=utf-8",
            "content-type " + type.type.substr(0, 200) +
                " not supported; expected application/json, application/jsonlines, text/csv or text/plain"};
  type.require_utf8();
  // Accept plays no part: the answer has the request's type. A text's answer is a JSON line.
  const Format format = type.format() == Format::kText ? Format::kJsonLines : type.format();
  return {200, format == Format::kJsonLines ? "application/jsonlines" : type.type,
          answers_to(read_queries(type, invocation.body), *this, format)};
}

}  // namespace clary::blazingtext
