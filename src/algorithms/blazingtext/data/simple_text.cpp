// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/simple_text.h"

#include <algorithm>
#include <array>
#include <utility>

#include "algorithms/blazingtext/data/ngrams.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text.h"

namespace clary::blazingtext {
namespace {

constexpr const char* kFile = "tokenizer.json";
constexpr std::uint64_t kMaxFile = 1 << 16;
constexpr std::size_t kGrowth = 3;  // a sign becomes blank, sign, blank

/// What a byte becomes; 0: a sign or `_`, to be looked at.
constexpr std::array<char, 256> replacements() {
  std::array<char, 256> out{};
  for (int i = 0; i < 256; ++i) {
    const auto byte = static_cast<char>(static_cast<unsigned char>(i));
    const bool capital = i >= 'A' && i <= 'Z', letter = capital || (i >= 'a' && i <= 'z');
    const bool sign = i > ' ' && i < 0x7f && !letter && !(i >= '0' && i <= '9');
    out[static_cast<std::size_t>(i)] = sign ? '\0' : capital ? static_cast<char>(i - 'A' + 'a') : byte;
  }
  out[0] = ' ';  // a separator to fastText, and no sign
  return out;
}

constexpr auto kReplacements = replacements();

bool is_label_at(std::string_view text, std::size_t i) {
  return (i == 0 || is_separator(text[i - 1])) && text.substr(i).starts_with(kLabelPrefix);
}

/// @param out  room for kGrowth * text.size() bytes. @return the end of what was written
char* rewrite(std::string_view text, char* out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i], to = kReplacements[static_cast<unsigned char>(c)];
    if (to != 0) {
      *out++ = to;
    } else if (c != '_') {
      out[0] = ' ', out[1] = c, out[2] = ' ';
      out += kGrowth;
    } else if (is_label_at(text, i)) {
      // Labels are copied as they are, up to the next separator.
      const auto begin = text.begin() + static_cast<std::ptrdiff_t>(i);
      const auto end = std::find_if(begin, text.end(), is_separator);
      out = std::copy(begin, end, out);
      i = static_cast<std::size_t>(end - text.begin()) - 1;
    } else {
      *out++ = c;
    }
  }
  return out;
}

class SimpleText : public TextSource {
 public:
  explicit SimpleText(std::unique_ptr<TextSource> source) : source_(std::move(source)) {}

  bool next(TextBlock& out) override {
    // Per thread, as sources are shared: blocks are rewritten in parallel.
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
