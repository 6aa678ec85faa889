// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/simple_text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "algorithms/blazingtext/ngrams.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text.h"

namespace clary::blazingtext {
namespace {

constexpr const char* kFile = "tokenizer.json";
constexpr std::uint64_t kMaxFile = 1 << 16;
constexpr std::size_t kGrowth = 3;  // a sign becomes blank, sign, blank

/// What a byte becomes; 0: a word of its own.
constexpr std::array<char, 256> replacements() {
  std::array<char, 256> out{};
  for (int i = 0; i < 256; ++i) {
    const auto byte = static_cast<char>(static_cast<unsigned char>(i));
    const bool sign = i > ' ' && i < 0x7f && !(i >= '0' && i <= '9') && !(i >= 'a' && i <= 'z') && i != '_' &&
                      !(i >= 'A' && i <= 'Z');
    out[static_cast<std::size_t>(i)] = sign ? '\0' : i >= 'A' && i <= 'Z' ? static_cast<char>(i - 'A' + 'a') : byte;
  }
  out[0] = ' ';  // a separator to fastText, and no sign
  return out;
}

constexpr auto kReplacements = replacements();

/// @param out  room for kGrowth * text.size() bytes. @return the end of what was written
char* rewrite(std::string_view text, char* out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '_' && (i == 0 || is_separator(text[i - 1])) && text.substr(i).starts_with(kLabelPrefix)) {
      const auto end = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(i), text.end(), is_separator);
      out = std::copy(text.begin() + static_cast<std::ptrdiff_t>(i), end, out);
      i = static_cast<std::size_t>(end - text.begin()) - 1;
      continue;
    }
    const char to = kReplacements[static_cast<unsigned char>(c)];
    if (to != 0) {
      *out++ = to;
      continue;
    }
    out[0] = ' ', out[1] = c, out[2] = ' ';
    out += kGrowth;
  }
  return out;
}

class SimpleText : public TextSource {
 public:
  explicit SimpleText(std::unique_ptr<TextSource> source) : source_(std::move(source)) {}

  bool next(TextBlock& out) override {
    thread_local TextBlock raw;
    if (!source_->next(raw)) return false;
    char* const to = out.resize(kGrowth * raw.text().size());
    out.resize(static_cast<std::size_t>(rewrite(raw.text(), to) - to));
    out.file = raw.file, out.offset = raw.offset;
    return true;
  }

 private:
  std::unique_ptr<TextSource> source_;
};

}  // namespace

std::string simple_text(std::string_view text) {
  std::string out(kGrowth * text.size(), ' ');
  out.resize(static_cast<std::size_t>(rewrite(text, out.data()) - out.data()));
  return out;
}

std::string simple_words(std::string_view text) { return std::string(trimmed(simple_text(text))); }

std::unique_ptr<TextSource> simple_text(std::unique_ptr<TextSource> source) {
  return std::make_unique<SimpleText>(std::move(source));
}

void write_tokenizer(TextRules rules, const std::filesystem::path& dir) {
  if (rules == TextRules::kSimple) write_file_atomically(dir / kFile, Json{{"tokenizer", "simple"}}.dump() + "\n");
}

TextRules read_tokenizer(const std::filesystem::path& dir) {
  if (!std::filesystem::exists(dir / kFile)) return TextRules::kNone;
  const Json document = parse_json(read_file(dir / kFile, kMaxFile));
  const auto name = document.is_object() ? document.find("tokenizer") : document.end();
  if (name == document.end() || !name->is_string() || (*name != "simple" && *name != "none"))
    throw Error(Kind::kMalformed, std::string(kFile) + R"(: must be {"tokenizer": "simple"} or {"tokenizer": "none"})");
  return *name == "simple" ? TextRules::kSimple : TextRules::kNone;
}

}  // namespace clary::blazingtext
