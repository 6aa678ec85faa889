// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/augmented_manifest.h"

#include <fcntl.h>
#include <simdjson.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "platform/agent/gunzip.h"

namespace clary::agent {

namespace {

namespace ondemand = simdjson::ondemand;

/// @throws simdjson::simdjson_error
/// A string's own characters for strings; any other value as it is written, blanks trimmed, so that numbers keep their
/// digits.
std::string text_of(ondemand::value value) {
  if (value.type() == ondemand::json_type::string) return std::string(std::string_view(value.get_string()));
  return std::string(trimmed(std::string_view(simdjson::to_json_string(value))));
}

/// The content of a gzip file in one that is gone when it is closed.
UniqueFd unpacked(const std::filesystem::path& file) {
  // TemporaryFolder removes name and folder when this returns; the open descriptor keeps the bytes until the mapping
  // goes.
  const TemporaryFolder folder;
  UniqueFd out = open_file(folder.path() / "manifest", O_RDWR | O_CREAT | O_CLOEXEC);
  std::uint64_t total = 0;
  inflate_file(file, [&](const void* bytes, std::size_t size) {
    // A few KB of gzip can unpack to many GB (compression ratio up to 1032:1), so the sum is checked before each
    // write.
    if ((total += size) > kMaxUnpackedManifestBytes)
      throw Error(Kind::kLimit,
                  "the manifest unpacks to more than " + std::to_string(kMaxUnpackedManifestBytes) + " bytes");
    write_all(out.get(), {static_cast<const std::byte*>(bytes), size}, "the unpacked manifest");
    return true;
  });
  return out;
}

}  // namespace

bool is_reference(std::string_view attribute_name) { return attribute_name.ends_with("-ref"); }

ManifestLines::ManifestLines(const std::filesystem::path& file, bool gzip) {
  const UniqueFd fd = gzip ? unpacked(file) : open_file(file, O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_errno(file.string());
  bytes_ = static_cast<std::size_t>(status.st_size);
  if (bytes_ > 0) {
    // Mapped, not read: a manifest may have some GB, and the instances of a job then share the page cache. The store's
    // files never change, so the mapping cannot be cut short while it is read.
    void* start = ::mmap(nullptr, bytes_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (start == MAP_FAILED) throw_errno(file.string());
    start_ = start;
  }
  std::string_view rest(static_cast<const char*>(start_), bytes_);
  for (std::size_t number = 1; !rest.empty(); ++number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    // simdjson's parser allocates by the size of the line: this bounds it.
    if (line.size() > kMaxManifestLineBytes)
      throw Error(Kind::kMalformed, "line " + std::to_string(number) + " of the manifest is longer than " +
                                        std::to_string(kMaxManifestLineBytes) + " bytes");
    if (!line.empty()) lines_.push_back({line, number});
  }
  if (lines_.empty()) throw Error(Kind::kMalformed, "the manifest holds no line");
}

ManifestLines::~ManifestLines() {
  if (start_ != nullptr) ::munmap(start_, bytes_);
}

std::vector<std::string> attribute_values(std::string_view line, const std::vector<std::string>& names) {
  // simdjson reads up to 64 bytes behind the text; the copy has that padding.
  const simdjson::padded_string padded(line);
  // ondemand alone would accept a line whose rest is broken: it parses no further than it is asked to.
  // The first parser checks the whole line, the second finds values as they are written.
  thread_local simdjson::dom::parser checker;
  thread_local ondemand::parser parser;
  simdjson::dom::object checked;
  if (checker.parse(padded).get(checked) != simdjson::SUCCESS) throw Error(Kind::kMalformed, "is not a JSON object");
  std::vector<std::string> out;
  for (const std::string& name : names) {
    simdjson::dom::element known;
    if (checked[name].get(known) != simdjson::SUCCESS || known.is_null())
      throw Error(Kind::kMalformed, "has no attribute \"" + name + "\"");
    if (is_reference(name) && !known.is_string())
      throw Error(Kind::kMalformed, "attribute \"" + name + "\" must be an S3 address");
    try {
      // iterate() again for each name: an ondemand document is read once, forward only.
      auto document = parser.iterate(padded);
      out.push_back(text_of(document.get_object().find_field_unordered(name).value()));
    } catch (const simdjson::simdjson_error& error) {
      throw Error(Kind::kMalformed, "attribute \"" + name + "\": " + error.what());
    }
  }
  return out;
}

}  // namespace clary::agent
