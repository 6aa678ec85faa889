// SPDX-License-Identifier: Apache-2.0
#include "base/json_fault.h"

#include <cctype>
#include <nlohmann/json.hpp>

namespace clary {
namespace {

constexpr std::size_t kLongestWord = 32;  // a longer run of letters is no slip of a word; the message stays short

bool in_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '+' || c == '-';
}

// Takes every event and keeps nothing but the place of the first fault. The parser behind it does not recurse.
class FaultFinder : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::size_t byte = 0;  // 0: none

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    byte = position;
    return false;
  }
};

}  // namespace

std::string JsonFault::message(std::string_view reason) const {
  std::string out = "not valid JSON";
  if (byte > 0) out.append(" at byte ").append(std::to_string(byte));
  if (!word.empty()) return out.append(": ").append(word).append(" is not a JSON value");
  return reason.empty() ? out : out.append(": ").append(reason);
}

JsonFault json_fault_at(std::string_view text, std::size_t byte) {
  const JsonFault no_word{byte, {}};
  if (byte == 0 || byte > text.size() || !in_word(text[byte - 1])) return no_word;
  // Both ways: a reader stops at the I of -Infinity, and at the a of nan, which begins as null does.
  std::size_t begin = byte - 1;
  std::size_t end = byte;
  while (begin > 0 && in_word(text[begin - 1]) && end - begin <= kLongestWord) --begin;
  while (end < text.size() && in_word(text[end]) && end - begin <= kLongestWord) ++end;
  const std::string_view word = text.substr(begin, end - begin);
  const std::string_view letters = word.substr(word.front() == '-' || word.front() == '+' ? 1 : 0);
  if (letters.empty() || std::isalpha(static_cast<unsigned char>(letters.front())) == 0) return no_word;
  if (word.size() > kLongestWord || word == "null" || word == "true" || word == "false") return no_word;
  return {begin + 1, word};
}

JsonFault json_fault(std::string_view text) {
  FaultFinder finder;
  nlohmann::json::sax_parse(text, &finder);
  return json_fault_at(text, finder.byte);
}

}  // namespace clary
