// SPDX-License-Identifier: Apache-2.0
#include "corpus/text_file.h"

#include <fcntl.h>
#include <simdjson.h>

#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "formats/byte_source.h"
#include "formats/words.h"

namespace clary::corpus {
namespace {

std::string gunzipped(const std::filesystem::path& path) {
  const auto source = formats::open_bytes(open_file(path, O_RDONLY | O_CLOEXEC), path.string());
  std::string out;
  std::size_t have = 0;
  for (;;) {
    constexpr std::size_t kLeast = 1 << 20;
    if (out.size() - have < kLeast) out.resize(out.size() + std::max(kLeast, out.size()));
    const std::size_t got = source->read(std::as_writable_bytes(std::span(out).subspan(have)));
    have += got;
    if (got == 0) break;
  }
  out.resize(have);
  return out;
}

}  // namespace

TextFile::TextFile(const std::filesystem::path& path) : path_(path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) throw Error(Kind::kNotFound, path.string() + " does not exist");
  mapped_.emplace(path);
  text_ = {reinterpret_cast<const char*>(mapped_->bytes().data()), mapped_->bytes().size()};
  const bool is_gzip = formats::is_gzip(mapped_->bytes());
  if (path.extension() == ".gz" && !is_gzip && !text_.empty())
    throw Error(Kind::kMalformed, path.string() + ": its name ends in .gz, but it is no gzip file");
  if (is_gzip) {
    mapped_.reset();
    owned_ = gunzipped(path);
    text_ = owned_;
  }
  if (!simdjson::validate_utf8(text_.data(), text_.size())) {
    owned_ = formats::repaired_utf8(text_);
    text_ = owned_;
    mapped_.reset();
    was_repaired_ = true;
  }
}

std::vector<std::size_t> line_starts(std::string_view text) {
  std::vector<std::size_t> out;
  if (text.empty()) return {0};
  out.reserve(text.size() / 64);
  out.push_back(0);
  const char *const begin = text.data(), *const end = begin + text.size();
  const auto add = [&](const char* start) {
    if (start != end) out.push_back(static_cast<std::size_t>(start - begin));
  };
  if (std::memchr(begin, '\r', text.size()) == nullptr) {  // the usual file, at the speed of memchr
    for (const char* p = begin;
         (p = static_cast<const char*>(std::memchr(p, '\n', static_cast<std::size_t>(end - p)))) != nullptr;)
      add(++p);
  } else {
    for (const char* p = begin; p != end;) {
      const char c = *p++;
      if (c == '\n' || (c == '\r' && (p == end || *p != '\n'))) add(p);
    }
  }
  out.push_back(text.size());
  return out;
}

}  // namespace clary::corpus
