// SPDX-License-Identifier: Apache-2.0
// view_stored_zip(): the central directory at an archive's end says where every entry lies. Offsets are 32 bits wide,
// or all ones and then in a zip64 record.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "learning/artifact/byte_cursor.h"
#include "learning/artifact/zip_archive.h"

namespace clary::artifact {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034B50, kDirectoryHeader = 0x02014B50, kEnd = 0x06054B50,
                        kEnd64 = 0x06064B50, kLocator64 = 0x07064B50;
constexpr std::size_t kEndBytes = 22, kLocatorBytes = 20, kMaxComment = 0xFFFF;
constexpr std::uint32_t kElsewhere = 0xFFFFFFFF;
constexpr std::uint16_t kZip64Extra = 1, kStored = 0, kEncrypted = 1;
const std::string kName = "zip";

using Bytes = std::span<const std::byte>;

[[noreturn]] void malformed(const std::string& message) { throw Error(Kind::kMalformed, kName + ": " + message); }

/// A cursor from byte `at` to the end.
ByteCursor from(Bytes bytes, std::uint64_t at, const char* what) {
  if (at > bytes.size()) malformed(fmt::format("{} lies at byte {} of {}", what, at, bytes.size()));
  return {bytes.subspan(static_cast<std::size_t>(at)), kName};
}

std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

struct Directory {
  std::uint64_t entries = 0, offset = 0;
};

/// The end record is the last thing but a comment.
std::size_t find_end(Bytes bytes) {
  static constexpr std::string_view kSignature("PK\x05\x06", 4);
  const std::string_view text = text_of(bytes);
  const std::size_t at = text.rfind(kSignature);
  if (bytes.size() < kEndBytes || at == std::string_view::npos || bytes.size() - at > kEndBytes + kMaxComment)
    malformed("it has no central directory: no zip archive, or cut");
  return at;
}

Directory find_directory(Bytes bytes) {
  const std::size_t end = find_end(bytes);
  ByteCursor in = from(bytes, end, "the end record");
  in.expect<std::uint32_t>("signature", kEnd);
  in.skip(6, "disk numbers");
  Directory out;
  out.entries = in.take<std::uint16_t>("number of entries");
  in.skip(4, "directory size");
  out.offset = in.take<std::uint32_t>("directory offset");
  in.skip(in.take<std::uint16_t>("comment length"), "comment");
  if (end < kLocatorBytes) return out;
  ByteCursor locator = from(bytes, end - kLocatorBytes, "the zip64 locator");
  if (locator.take<std::uint32_t>("signature") != kLocator64) return out;
  locator.skip(4, "disk number");
  ByteCursor wide = from(bytes, locator.take<std::uint64_t>("end record's offset"), "the zip64 end record");
  wide.expect<std::uint32_t>("signature", kEnd64);
  wide.skip(28, "versions and disks");
  out.entries = wide.take<std::uint64_t>("number of entries");
  wide.skip(8, "directory size");
  out.offset = wide.take<std::uint64_t>("directory offset");
  return out;
}

struct Entry {
  std::string name;
  std::uint64_t size = 0, packed = 0, offset = 0;
};

/// Sizes and offset that did not fit, in the order of the header.
void read_zip64(Bytes extra, Entry& entry) {
  ByteCursor in(extra, kName);
  while (in.left() >= 4) {
    const auto id = in.take<std::uint16_t>("extra field");
    const auto size = in.take<std::uint16_t>("extra field's size");
    const Bytes content = in.skip(size, "extra field");
    if (id != kZip64Extra) continue;
    ByteCursor wide(content, kName);
    for (std::uint64_t* value : {&entry.size, &entry.packed, &entry.offset})
      if (*value == kElsewhere) *value = wide.take<std::uint64_t>("zip64 field");
    return;
  }
}

Entry read_entry(ByteCursor& in) {
  in.expect<std::uint32_t>("directory signature", kDirectoryHeader);
  in.skip(4, "versions");
  const auto flags = in.take<std::uint16_t>("flags");
  const auto method = in.take<std::uint16_t>("compression method");
  in.skip(8, "time and checksum");
  Entry out;
  out.packed = in.take<std::uint32_t>("packed size");
  out.size = in.take<std::uint32_t>("size");
  const auto name = in.take<std::uint16_t>("name length");
  const auto extra = in.take<std::uint16_t>("extra length");
  const auto comment = in.take<std::uint16_t>("comment length");
  in.skip(8, "disk and attributes");
  out.offset = in.take<std::uint32_t>("offset");
  out.name = text_of(in.skip(name, "name"));
  read_zip64(in.skip(extra, "extra fields"), out);
  in.skip(comment, "comment");
  if ((flags & kEncrypted) != 0) malformed(fmt::format("entry {:.200} is encrypted", out.name));
  if (method != kStored || out.size != out.packed)
    malformed(fmt::format("entry {:.200} is compressed, only stored ones are read", out.name));
  return out;
}

Bytes content_of(Bytes bytes, const Entry& entry) {
  ByteCursor in = from(bytes, entry.offset, "an entry");
  in.expect<std::uint32_t>("entry signature", kLocalHeader);
  in.skip(22, "entry header");
  const auto name = in.take<std::uint16_t>("name length");
  const auto extra = in.take<std::uint16_t>("extra length");
  in.skip(std::uint64_t{name} + extra, "name and extra fields");
  return in.skip(entry.size, "entry");
}

}  // namespace

std::map<std::string, std::span<const std::byte>> view_stored_zip(std::span<const std::byte> bytes,
                                                                  std::uint64_t max_members) {
  const Directory directory = find_directory(bytes);
  if (directory.entries > max_members)
    throw Error(Kind::kLimit, fmt::format("zip: {} entries, at most {} allowed", directory.entries, max_members));
  ByteCursor in = from(bytes, directory.offset, "the central directory");
  std::map<std::string, std::span<const std::byte>> out;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    const Entry entry = read_entry(in);
    out[entry.name] = content_of(bytes, entry);
  }
  return out;
}

}  // namespace clary::artifact
