// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/model/sockeye_config.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace clary::seq2seq {
namespace {

constexpr std::size_t kMaxDepth = 32, kMaxEntries = 10'000, kMaxKey = 100, kMaxBytes = 1 << 20;
constexpr std::size_t kFlow = ~std::size_t{0};  // indentation of a level in braces

[[noreturn]] void malformed(const std::string& rule) { throw Error(Kind::kMalformed, "config: " + rule); }

/// Without tags and anchors in front of it: "!RNNConfig", "&id001".
std::string_view bare(std::string_view value) {
  value = trimmed(value);
  while (value.starts_with('!') || value.starts_with('&')) {
    const std::size_t end = value.find(' ');
    value = end == std::string_view::npos ? std::string_view() : trimmed(value.substr(end));
  }
  return value;
}

std::string_view unquoted(std::string_view value) {
  const bool quoted =
      value.size() >= 2 && (value.front() == '\'' || value.front() == '"') && value.back() == value.front();
  return quoted ? value.substr(1, value.size() - 2) : value;
}

}  // namespace

/// One line after the other. Levels are keys that are open: of blocks, by their indentation, or of braces, which are
/// closed by name.
class SockeyeConfig::Scanner {
 public:
  explicit Scanner(std::vector<Entry>& out) : out_(out) {}

  void line(std::string_view text) {
    const std::size_t indentation = text.find_first_not_of(' ');
    if (indentation == std::string_view::npos || text[indentation] == '#') return;
    if (!in_braces()) {
      if (text[indentation] == '-') return;  // an element of a list
      while (!levels_.empty() && levels_.back().indentation >= indentation) levels_.pop_back();
    }
    pieces(text.substr(indentation), indentation);
  }

 private:
  struct Level {
    std::size_t indentation;
    std::size_t path_size;  // of path_ with its key
  };

  bool in_braces() const { return !levels_.empty() && levels_.back().indentation == kFlow; }
  std::string_view path() const {
    return levels_.empty() ? std::string_view() : std::string_view(path_).substr(0, levels_.back().path_size);
  }

  /// Cuts a line at braces, brackets and, within them, commas.
  void pieces(std::string_view text, std::size_t indentation) {
    std::size_t start = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const char c = text[i];
      if (brackets_ > 0 || c == '[') {
        brackets_ += c == '[' ? 1 : c == ']' ? -1 : 0;
        if (brackets_ == 0) start = i + 1, pending_.clear();
        continue;
      }
      if (c != '{' && !(in_braces() && (c == ',' || c == '}'))) continue;
      pending_ += text.substr(start, i - start);
      start = i + 1;
      if (c == '{') {
        open(pending_, kFlow);
      } else {
        entry(pending_, indentation);
        if (c == '}') levels_.pop_back();
      }
      pending_.clear();
    }
    if (brackets_ > 0) return;
    pending_ += text.substr(start);
    if (in_braces()) {
      pending_ += ' ';  // goes on in the next line
      if (pending_.size() > kMaxBytes) malformed("a value is too long");
      return;
    }
    entry(pending_, indentation);
    pending_.clear();
  }

  /// "key: value", or "key:" alone, which opens a block.
  void entry(std::string_view text, std::size_t indentation) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return;  // "!ModelConfig" alone, or nothing
    const std::string_view value = bare(text.substr(colon + 1));
    if (value.empty()) {
      if (!in_braces()) open(text.substr(0, colon), indentation);
      return;
    }
    if (out_.size() >= kMaxEntries) malformed(fmt::format("more than {} values", kMaxEntries));
    out_.push_back({fmt::format("{}.{}", path(), key_of(text.substr(0, colon))), std::string(unquoted(value))});
  }

  void open(std::string_view text, std::size_t indentation) {
    if (levels_.size() >= kMaxDepth) malformed(fmt::format("nested deeper than {}", kMaxDepth));
    const std::string_view key = key_of(text.substr(0, text.find(':')));
    path_.resize(levels_.empty() ? 0 : levels_.back().path_size);
    path_.append(".").append(key);
    levels_.push_back({indentation, path_.size()});
  }

  static std::string_view key_of(std::string_view text) {
    const std::string_view key = unquoted(bare(text));
    if (key.size() > kMaxKey) malformed(fmt::format("a key is longer than {} bytes", kMaxKey));
    return key;
  }

  std::vector<Entry>& out_;
  std::vector<Level> levels_;
  std::string path_;
  std::string pending_;  // of a piece that the line before began
  std::int64_t brackets_ = 0;
};

SockeyeConfig::SockeyeConfig(std::string_view text) {
  if (text.size() > kMaxBytes) malformed(fmt::format("{} bytes, at most {} allowed", text.size(), kMaxBytes));
  Scanner scanner(entries_);
  for (std::string_view line : split(text, '\n')) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    scanner.line(line);
  }
}

std::optional<std::string_view> SockeyeConfig::text(std::string_view key, std::string_view section) const {
  const std::string end = fmt::format(".{}", key), within = fmt::format(".{}.", section);
  for (const Entry& entry : entries_) {
    if (!entry.path.ends_with(end) || (!section.empty() && entry.path.find(within) == std::string::npos)) continue;
    if (entry.value == "null" || entry.value == "~") return std::nullopt;
    if (entry.value.starts_with('*'))
      malformed(fmt::format("{} is the alias {:.40}, which is not followed", entry.path.substr(1), entry.value));
    return entry.value;
  }
  return std::nullopt;
}

std::optional<std::int64_t> SockeyeConfig::integer(std::string_view key, std::string_view section) const {
  const auto value = text(key, section);
  if (!value) return std::nullopt;
  std::int64_t out = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), out);
  if (error != std::errc() || end != value->data() + value->size())
    malformed(fmt::format("{} is {:.40}, must be an integer", key, *value));
  return out;
}

std::optional<double> SockeyeConfig::number(std::string_view key, std::string_view section) const {
  const auto value = text(key, section);
  if (!value) return std::nullopt;
  double out = 0;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), out);
  if (error != std::errc() || end != value->data() + value->size() || !std::isfinite(out))
    malformed(fmt::format("{} is {:.40}, must be a number", key, *value));
  return out;
}

bool SockeyeConfig::flag(std::string_view key, std::string_view section) const {
  const auto value = text(key, section);
  if (!value || lower(*value) == "false") return false;
  if (lower(*value) != "true") malformed(fmt::format("{} is {:.40}, must be true or false", key, *value));
  return true;
}

}  // namespace clary::seq2seq
