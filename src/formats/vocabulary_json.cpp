// SPDX-License-Identifier: Apache-2.0
#include "formats/vocabulary_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <unordered_set>

#include "base/error.h"
#include "base/json_fault.h"
#include "formats/csv.h"
#include "formats/words.h"

namespace clary::formats {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxDepth = 4;
constexpr std::size_t kMaxShown = 40;  // characters of a value in a message

[[noreturn]] void malformed(const std::string& name, const std::string& rule) {
  throw Error(Kind::kMalformed, name + ": " + rule);
}

std::int32_t id_of(const dom::element& value, std::string_view word, const std::string& name) {
  std::int64_t id = -1;
  if (value.get(id) != simdjson::SUCCESS || id < 0 || id >= kMaxVocabularySize)
    malformed(name, fmt::format("word {}: its id is {:.{}}, must be an integer from 0 to {}", quoted_for_message(word),
                                std::string(simdjson::minify(value)), kMaxShown, kMaxVocabularySize - 1));
  return static_cast<std::int32_t>(id);
}

void check_ids(const std::vector<VocabularyEntry>& entries, const std::string& name) {
  std::int32_t largest = -1;
  for (const VocabularyEntry& entry : entries) largest = std::max(largest, entry.id);
  std::vector<std::int32_t> by_id(static_cast<std::size_t>(std::max(largest + 1, 4)), -1);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    std::int32_t& place = by_id[static_cast<std::size_t>(entries[i].id)];
    if (place >= 0)
      malformed(name, fmt::format("id {} belongs to {} and to {}", entries[i].id,
                                  quoted_for_message(entries[static_cast<std::size_t>(place)].word),
                                  quoted_for_message(entries[i].word)));
    place = static_cast<std::int32_t>(i);
  }
  for (std::size_t id = 0; id < kVocabularySymbols.size(); ++id)
    if (by_id[id] < 0 || entries[static_cast<std::size_t>(by_id[id])].word != kVocabularySymbols[id])
      malformed(name, fmt::format("id {} is {}, must be \"{}\" (ids 0 to 3: {})", id,
                                  by_id[id] < 0 ? "missing"
                                                : quoted_for_message(entries[static_cast<std::size_t>(by_id[id])].word),
                                  kVocabularySymbols[id], fmt::join(kVocabularySymbols, ", ")));
}

}  // namespace

std::vector<VocabularyEntry> read_vocabulary(std::string_view json, const std::string& name) {
  dom::parser parser;
  if (parser.allocate(json.size(), kMaxDepth) != simdjson::SUCCESS) malformed(name, "too large");
  dom::element root;
  if (const auto error = parser.parse(json.data(), json.size()).get(root); error != simdjson::SUCCESS)
    malformed(name, json_fault(json).message(simdjson::error_message(error)));
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS) malformed(name, R"(must be an object: {"word": id, ...})");
  std::vector<VocabularyEntry> out;
  std::unordered_set<std::string_view> seen;  // the texts are the parser's
  for (const dom::key_value_pair& field : object) {
    if (is_no_word(field.key))
      malformed(name, fmt::format("word {}: has white space in it or is empty, which no word of a text is",
                                  quoted_for_message(field.key)));
    if (!seen.insert(field.key).second)
      malformed(name, fmt::format("word {} is there twice", quoted_for_message(field.key)));
    out.push_back({std::string(field.key), id_of(field.value, field.key, name)});
  }
  check_ids(out, name);
  return out;
}

namespace {

/// As Python's json.encoder.encode_basestring: '"', '\' and control characters are escaped, all else stays.
void append_json_text(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
      case '\\':
        out += '\\', out += c;
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\b':
        out += "\\b";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20)
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
          out += c;
    }
  }
  out += '"';
}

}  // namespace

std::string write_vocabulary(std::span<const std::string_view> words) {
  if (words.empty()) return "{}";
  std::string out = "{\n    ";
  for (std::size_t id = 0; id < words.size(); ++id) {
    if (id > 0) out += ",\n    ";
    append_json_text(out, words[id]);
    out += fmt::format(": {}", id);
  }
  return out += "\n}";
}

}  // namespace clary::formats
