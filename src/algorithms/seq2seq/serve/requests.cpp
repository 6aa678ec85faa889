// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/serve/requests.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json_fault.h"
#include "base/text.h"
#include "formats/csv.h"
#include "formats/recordio.h"
#include "formats/sequence_record.h"
#include "formats/words.h"

namespace clary::seq2seq {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kKeptParserBytes = 1 << 20;  // larger bodies get a parser of their own, freed after use
constexpr const char* kJsonForm =
    R"(a JSON request has the form {"instances": [{"data": "words separated by blanks"}]})";
constexpr const char* kLineForm = R"(a line has the form {"source": "words separated by blanks"})";

[[noreturn]] void bad(const std::string& where, const std::string& rule) {
  throw Error(Kind::kMalformed, where.empty() ? rule : where + ": " + rule);
}

/// Parses one document; the result lives as long as the parser.
dom::element parsed(dom::parser& parser, std::string_view text, const std::string& where) {
  dom::element out;
  if (parser.allocate(text.size(), kMaxDepth) != simdjson::SUCCESS) bad(where, "too large");
  if (const auto error = parser.parse(text.data(), text.size()).get(out); error != simdjson::SUCCESS)
    bad(where, json_fault(text).message(simdjson::error_message(error)));
  return out;
}

// Parsers keep their buffers: one for each thread for usual requests.
template <class Use>
void with_parser(std::size_t bytes, Use&& use) {
  thread_local dom::parser kept;
  if (bytes <= kKeptParserBytes) return use(kept);
  dom::parser own;
  use(own);
}

/// A value as it was sent, cut for a message.
std::string shown(const dom::element& value) {
  const std::string text = simdjson::minify(value);
  return text.size() <= 40 ? text : text.substr(0, 40) + "...";
}

/// true, "true", "True", ...
bool truth_of(const dom::element& value, const std::string& where) {
  bool truth = false;
  if (value.get(truth) == simdjson::SUCCESS) return truth;
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) {
    const std::string word = lower(text);
    if (word == "true" || word == "false") return word == "true";
  }
  bad(where, fmt::format("is {}, must be true or false", shown(value)));
}

/// 5 or "5"
std::int64_t integer_of(const dom::element& value, std::int64_t high, const std::string& where) {
  std::int64_t out = 0;
  std::string_view text;
  bool is_integer = value.get(out) == simdjson::SUCCESS;
  if (!is_integer && value.get(text) == simdjson::SUCCESS) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    is_integer = error == std::errc() && end == text.data() + text.size();
  }
  if (!is_integer || out < 1 || out > high)
    bad(where, fmt::format("is {}, must be an integer from 1 to {}", shown(value), high));
  return out;
}

/// Members of a configuration over those that `query` has. A name that is not known is refused, so that nobody believes
/// that it had an effect.
void configure(const dom::element& given, const std::string& where, Query& query) {
  if (given.is_null()) return;
  dom::object object;
  if (given.get(object) != simdjson::SUCCESS) bad(where, "must be an object");
  for (const auto& [name, value] : object) {
    const std::string place = fmt::format("{}.{}", where, name);
    if (name == "attention_matrix")
      query.options.attention = truth_of(value, place);
    else if (name == "beam_size")
      query.options.beam_size = integer_of(value, kMaxBeam, place);
    else if (name == "n_best")
      query.options.n_best = integer_of(value, kMaxBeam, place);
    else if (name == "return_score")
      query.score = truth_of(value, place);
    else
      bad(where, fmt::format("{} is not known; there are attention_matrix, beam_size, n_best and return_score",
                             formats::quoted_for_message(name)));
  }
}

void check_options(const Query& query, const std::string& where) {
  if (query.options.n_best > query.options.beam_size)
    bad(where, fmt::format("n_best is {}, must not exceed beam_size, which is {}", query.options.n_best,
                           query.options.beam_size));
}

/// Words: a text of them, or a list of single ones.
std::vector<std::int32_t> words_of(const dom::element& value, const std::string& where, const Vocabulary& source) {
  std::string_view text;
  if (value.get(text) == simdjson::SUCCESS) return source.ids(text);
  dom::array list;
  if (value.get(list) != simdjson::SUCCESS)
    bad(where, fmt::format("is {}, must be a text of words separated by blanks, or a list of words", shown(value)));
  std::vector<std::int32_t> out;
  for (const dom::element& element : list) {
    if (element.get(text) != simdjson::SUCCESS)
      bad(where, fmt::format("element {} is {}, must be a word; ids are sent as application/x-recordio-protobuf",
                             out.size(), shown(element)));
    if (formats::is_no_word(text))
      bad(where, fmt::format("element {} is {}, must be one word without blanks", out.size(), shown(element)));
    out.push_back(source.id(text));
  }
  return out;
}

class QueryReader {
 public:
  QueryReader(const Vocabulary& source, const DecodeOptions& usual) : source_(source), usual_{{}, usual, false} {}

  std::vector<Query> json(std::string_view body) {
    with_parser(body.size(), [&](dom::parser& parser) {
      const dom::element root = parsed(parser, body, "");
      dom::object object;
      dom::array instances;
      if (root.get(object) != simdjson::SUCCESS || object["instances"].get(instances) != simdjson::SUCCESS)
        bad("", kJsonForm + hint(root));
      if (dom::element given; object["configuration"].get(given) == simdjson::SUCCESS)
        configure(given, "configuration", usual_);
      std::int64_t number = 0;
      for (const dom::element& instance : instances) add(instance, fmt::format("instances[{}]", number++), kJsonForm);
    });
    return std::move(out_);
  }

  std::vector<Query> json_lines(std::string_view body) {
    std::int64_t number = 0;
    while (!body.empty()) {
      const std::size_t end = std::min(body.find('\n'), body.size());
      const std::string_view line = trimmed(body.substr(0, end));
      body.remove_prefix(std::min(end + 1, body.size()));
      ++number;
      if (line.empty()) continue;
      const std::string where = fmt::format("line {}", number);
      with_parser(line.size(), [&](dom::parser& parser) { add(parsed(parser, line, where), where, kLineForm); });
    }
    return std::move(out_);
  }

  std::vector<Query> records(std::string_view body) {
    if (is_bare_record(body)) {
      record(std::as_bytes(std::span(body)), 0);
      return std::move(out_);
    }
    formats::RecordIoReader reader(std::as_bytes(std::span(body)), "the request");
    for (std::int64_t number = 0; const auto framed = reader.next(); ++number) record(framed->payload, number);
    return std::move(out_);
  }

 private:
  /// A record without RecordIO's frame, as batch transform sends it with BatchStrategy SingleRecord: it begins with an
  /// entry of its features, whose key (field 1) comes first.
  static bool is_bare_record(std::string_view body) {
    return body.size() > 2 && body.front() == '\x0a' && !body.starts_with("\x0a\x23\xd7\xce");
  }

  void record(std::span<const std::byte> payload, std::int64_t number) {
    const std::string where = fmt::format("record {}", number);
    try {
      formats::parse_sequence_record(payload, record_);
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("{}: {}", where, error.what()));
    }
    add(record_, where);
  }

  /// What somebody may have meant who sent something else.
  static std::string hint(const dom::element& root) {
    dom::object object;
    dom::element source;
    if (root.is_array()) return "; a list without {\"instances\": ...} around it was sent";
    if (root.get(object) != simdjson::SUCCESS || object["source"].get(source) != simdjson::SUCCESS) return "";
    return source.is_array() ? "; ids are sent as application/x-recordio-protobuf, in a feature \"source\""
                             : "; {\"source\": \"...\"} is a line of application/jsonlines";
  }

  /// Options that were put beside the words have no effect there, and of two texts one would be left out.
  static void check_members(const dom::object& instance, const std::string& where) {
    dom::element unused;
    for (const char* option : {"attention_matrix", "beam_size", "n_best", "return_score"})
      if (instance[option].get(unused) == simdjson::SUCCESS)
        bad(where, fmt::format(R"("{0}" belongs into "configuration": {{"{0}": ...}})", option));
    if (instance["data"].get(unused) == simdjson::SUCCESS && instance["source"].get(unused) == simdjson::SUCCESS)
      bad(where, "has both \"data\" and \"source\", which are two names of one thing");
  }

  /// {"data": words} or {"source": words}, with an optional configuration.
  void add(const dom::element& instance, const std::string& where, const char* form) {
    dom::object object;
    dom::element data, given;
    if (instance.get(object) != simdjson::SUCCESS) bad(where, fmt::format("is {}; {}", shown(instance), form));
    check_members(object, where);
    const char* key = "data";
    if (object[key].get(data) != simdjson::SUCCESS && object[key = "source"].get(data) != simdjson::SUCCESS)
      bad(where, fmt::format("has neither \"data\" nor \"source\"; {}", form));
    Query query = usual_;
    query.ids = words_of(data, fmt::format("{}.{}", where, key), source_);
    // The symbol of padding as a word of a text is none that the model knows.
    std::replace(query.ids.begin(), query.ids.end(), kPad, kUnknown);
    if (object["configuration"].get(given) == simdjson::SUCCESS) configure(given, where + ".configuration", query);
    check_options(query, where);
    out_.push_back(std::move(query));
  }

  void add(formats::SequenceRecord& record, const std::string& where) {
    if (!record.has_source)
      bad(where, fmt::format("has no feature 'source' (found: {})",
                             record.other_features.empty() ? "none" : record.other_features));
    Query query = usual_;
    while (!record.source.empty() && record.source.back() == kPad) record.source.pop_back();
    query.ids = record.source;
    for (std::size_t i = 0; i < query.ids.size(); ++i) {
      if (query.ids[i] < 0)
        bad(where, fmt::format("feature 'source': value {} is {}, must be an id of 0 or more", i, query.ids[i]));
      if (query.ids[i] >= source_.size() || query.ids[i] == kPad) query.ids[i] = kUnknown;
    }
    if (!trimmed(record.configuration).empty()) configure(record.configuration, where + ": configuration", query);
    if (query.options.attention || query.options.n_best > 1 || query.score)
      bad(where,
          "attention_matrix, n_best and return_score are for application/json and application/jsonlines; a record has "
          "no place for them");
    out_.push_back(std::move(query));
  }

  void configure(std::string_view json, const std::string& where, Query& query) {
    with_parser(json.size(),
                [&](dom::parser& parser) { seq2seq::configure(parsed(parser, json, where), where, query); });
  }
  void configure(const dom::element& given, const std::string& where, Query& query) {
    seq2seq::configure(given, where, query);
  }

  const Vocabulary& source_;
  Query usual_;
  formats::SequenceRecord record_;  // its memory is used again
  std::vector<Query> out_;
};

}  // namespace

std::vector<Query> read_queries(const formats::ContentType& type, std::string_view body, const Vocabulary& source,
                                const DecodeOptions& usual) {
  DecodeOptions options = usual;
  if (const auto given = type.parameter("attention_matrix")) {
    const std::string word = lower(*given);
    if (word != "true" && word != "false" && !word.empty())
      bad("the content type's attention_matrix", fmt::format("is {}, must be true or false", *given));
    options.attention = word != "false";
  }
  QueryReader reader(source, options);
  switch (type.format()) {
    case formats::Format::kJson:
      return reader.json(body);
    case formats::Format::kJsonLines:
      return reader.json_lines(body);
    default:
      return reader.records(body);
  }
}

}  // namespace clary::seq2seq
