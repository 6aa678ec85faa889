// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/serve/request.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <charconv>
#include <optional>

#include "base/error.h"
#include "base/json_fault.h"
#include "base/text.h"

namespace clary::blazingtext {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kKeptParserBytes = 1 << 20;  // larger bodies get a parser of their own, freed after use
constexpr std::int64_t kUsualNeighbours = 10;

[[noreturn]] void bad(const std::string& where, const std::string& problem) {
  throw Error(Kind::kMalformed,
              fmt::format("Customer Error: Unable to decode payload: Incorrect data format. (caused by ValueError)\n"
                          "{}: {}",
                          where, problem));
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

constexpr const char* kThresholdRule = "threshold must be a number from 0 to 1";

/// How many labels a request wants, and how probable they must be.
struct Limits {
  std::int64_t k = 1;
  float threshold = 0;
};

float threshold_of(double value, const std::string& where) {
  if (!(value >= 0 && value <= 1)) bad(where, kThresholdRule);
  return static_cast<float>(value);
}

float threshold_of(const dom::object& object, const std::string& where, float otherwise) {
  dom::element value;
  if (object["threshold"].get(value) != simdjson::SUCCESS) return otherwise;
  double threshold = 0;
  if (value.get(threshold) != simdjson::SUCCESS) bad(where, kThresholdRule);
  return threshold_of(threshold, where);
}

std::int64_t k_of(const dom::object& object, const std::string& where, std::int64_t otherwise = 1) {
  dom::element value;
  if (object["k"].get(value) != simdjson::SUCCESS) return otherwise;
  std::int64_t k = 0;
  if (value.get(k) != simdjson::SUCCESS || k < 1) bad(where, "k must be an integer of at least 1");
  return k;
}

std::string text_of(const dom::element& value, const std::string& where) {
  std::string_view text;
  if (value.get(text) != simdjson::SUCCESS) bad(where, "must be a string");
  return std::string(text);
}

Query text_query(std::string text, const Limits& limits) {
  return {std::move(text), limits.k, Query::Kind::kText, limits.threshold};
}

/// {"source": text}, {"nn": word} or {"sentence": text}, with an optional k and threshold.
Query query_of(const dom::object& object, const std::string& where, const Limits& limits) {
  struct Form {
    const char* key;
    Query::Kind kind;
  };
  for (const Form& form : {Form{"source", Query::Kind::kText}, Form{"nn", Query::Kind::kNeighbours},
                           Form{"sentence", Query::Kind::kSentence}}) {
    dom::element value;
    if (object[form.key].get(value) != simdjson::SUCCESS) continue;
    const bool neighbours = form.kind == Query::Kind::kNeighbours;
    return {text_of(value, where + ": " + form.key),
            k_of(object, where, neighbours && limits.k == 1 ? kUsualNeighbours : limits.k), form.kind,
            threshold_of(object, where, limits.threshold)};
  }
  bad(where, R"(must be {"source": "text"}, and optionally "k": 2)");
}

std::vector<Query> json_queries(std::string_view body) {
  std::vector<Query> out;
  with_parser(body.size(), [&](dom::parser& parser) {
    const auto root = parsed(parser, body, "body");
    dom::object object, configuration;
    dom::array instances;
    if (root.get(object) != simdjson::SUCCESS || object["instances"].get(instances) != simdjson::SUCCESS)
      bad("body", R"(must be {"instances": ["text", ...]}, and optionally "configuration": {"k": 2})");
    Limits limits;
    if (dom::element given; object["configuration"].get(given) == simdjson::SUCCESS && !given.is_null()) {
      if (given.get(configuration) != simdjson::SUCCESS) bad("configuration", "must be an object");
      limits = {k_of(configuration, "configuration"), threshold_of(configuration, "configuration", 0)};
    }
    for (const dom::element instance : instances) {
      const std::string where = fmt::format("instances[{}]", out.size());
      dom::object form;
      if (instance.get(form) == simdjson::SUCCESS)
        out.push_back(query_of(form, where, limits));
      else
        out.push_back(text_query(text_of(instance, where), limits));
    }
  });
  return out;
}

/// Calls use(line, number from 1) for every line that is not blank.
template <class Use>
void for_each_line(std::string_view body, Use&& use) {
  std::size_t number = 0;
  while (!body.empty()) {
    const std::size_t end = std::min(body.find('\n'), body.size());
    const std::string_view line = trimmed(body.substr(0, end));
    body.remove_prefix(std::min(end + 1, body.size()));
    ++number;
    if (!line.empty()) use(line, number);
  }
}

std::vector<Query> json_line_queries(std::string_view body) {
  std::vector<Query> out;
  for_each_line(body, [&](std::string_view line, std::size_t number) {
    const std::string where = fmt::format("line {}", number);
    with_parser(line.size(), [&](dom::parser& parser) {
      const auto root = parsed(parser, line, where);
      dom::object object;
      if (root.get(object) != simdjson::SUCCESS) bad(where, R"(must be {"source": "text"}, and optionally "k": 2)");
      out.push_back(query_of(object, where, {}));
    });
  });
  return out;
}

/// The whole of a content type's parameter as a number; nothing when it is none.
template <class T>
std::optional<T> number_of(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

/// `; k=2; threshold=0.5`
Limits limits_of(const formats::ContentType& type) {
  Limits out;
  if (const auto text = type.parameter("k")) {
    out.k = number_of<std::int64_t>(*text).value_or(0);
    if (out.k < 1) bad("content type", "k must be an integer of at least 1");
  }
  if (const auto text = type.parameter("threshold"))
    out.threshold = threshold_of(number_of<double>(*text).value_or(-1), "content type");
  return out;
}

void require_utf8(std::string_view line, std::size_t number) {
  if (!is_utf8(line)) bad(fmt::format("line {}", number), "is not UTF-8");
}

std::vector<Query> text_queries(const formats::ContentType& type, std::string_view body) {
  const Limits limits = limits_of(type);
  std::vector<Query> out;
  for_each_line(body, [&](std::string_view line, std::size_t number) {
    require_utf8(line, number);
    out.push_back(text_query(std::string(line), limits));
  });
  return out;
}

/// One field a line: quoted, with "" for a quote and line ends inside, or the line as it is, commas included.
/// Lines are counted inside of quotes as well, so that errors name the line of the file.
std::vector<Query> csv_queries(const formats::ContentType& type, std::string_view body) {
  const Limits limits = limits_of(type);
  std::vector<Query> out;
  std::size_t number = 1;
  while (!body.empty()) {
    std::string text;
    std::size_t at = 0;
    const std::size_t first_line = number;
    if (body.front() == '"') {
      for (at = 1;; ++at) {
        if (at >= body.size()) bad(fmt::format("line {}", first_line), "a quote is not closed");
        if (body[at] == '"' && !body.substr(at + 1).starts_with('"')) break;
        if (body[at] == '"') ++at;
        if (body[at] == '\n') ++number;
        text += body[at];
      }
      ++at;
      const auto rest = body.substr(at, body.find('\n', at) - at);
      if (!trimmed(rest).empty()) bad(fmt::format("line {}", number), "must hold one field, the text");
    } else {
      text = trimmed(body.substr(0, body.find('\n')));
    }
    body.remove_prefix(std::min(std::min(body.find('\n', at), body.size()) + 1, body.size()));
    require_utf8(text, first_line);
    ++number;
    if (!text.empty()) out.push_back(text_query(std::move(text), limits));
  }
  return out;
}

}  // namespace

std::vector<Query> read_queries(const formats::ContentType& type, std::string_view body) {
  switch (type.format()) {
    case formats::Format::kJson:
      return json_queries(body);
    case formats::Format::kJsonLines:
      return json_line_queries(body);
    case formats::Format::kCsv:
      return csv_queries(type, body);
    default:
      return text_queries(type, body);
  }
}

}  // namespace clary::blazingtext
