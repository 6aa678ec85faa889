// SPDX-License-Identifier: Apache-2.0
#include "learning/artifact/zip_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

#include <memory>
#include <vector>

#include "base/error.h"

namespace clary::artifact {
namespace {

std::string message(archive* a) {
  const char* text = archive_error_string(a);
  return text ? text : "unknown error";
}

la_ssize_t append(archive*, void* out, const void* bytes, size_t n) {
  static_cast<std::string*>(out)->append(static_cast<const char*>(bytes), n);
  return static_cast<la_ssize_t>(n);
}

}  // namespace

std::string write_zip(const ZipMembers& members) {
  std::string out;
  const std::unique_ptr<archive, int (*)(archive*)> a(archive_write_new(), archive_write_free);
  const auto check = [&](int status) {
    if (status < ARCHIVE_WARN) throw Error(Kind::kInternal, "zip: " + message(a.get()));
  };
  check(archive_write_set_format_zip(a.get()));
  // Stored, not deflated: float weights hardly compress.
  check(archive_write_zip_set_compression_store(a.get()));
  // No padding to tape blocks.
  archive_write_set_bytes_in_last_block(a.get(), 1);
  check(archive_write_open(a.get(), &out, nullptr, append, nullptr));
  for (const auto& [name, content] : members) {
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), archive_entry_free);
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    // A fixed time: equal contents give equal archives.
    archive_entry_set_mtime(entry.get(), 315532800, 0);  // 1980-01-01, the earliest that zip knows
    check(archive_write_header(a.get(), entry.get()));
    std::size_t at = 0;
    while (at < content.size()) {
      const la_ssize_t n = archive_write_data(a.get(), content.data() + at, content.size() - at);
      if (n <= 0) throw Error(Kind::kInternal, "zip: " + message(a.get()));
      at += static_cast<std::size_t>(n);
    }
    check(archive_write_finish_entry(a.get()));
  }
  check(archive_write_close(a.get()));
  return out;
}

std::map<std::string, std::string> read_zip(std::string_view bytes, std::uint64_t max_bytes, int max_members) {
  const std::unique_ptr<archive, int (*)(archive*)> a(archive_read_new(), archive_read_free);
  const auto fail = [&] { throw Error(Kind::kMalformed, "zip: " + message(a.get())); };
  archive_read_support_format_zip(a.get());
  if (archive_read_open_memory(a.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) fail();
  std::map<std::string, std::string> members;
  std::uint64_t total = 0;
  archive_entry* entry = nullptr;
  int status = ARCHIVE_OK;
  while ((status = archive_read_next_header(a.get(), &entry)) != ARCHIVE_EOF) {
    if (status < ARCHIVE_WARN) fail();
    const char* name = archive_entry_pathname(entry);
    if (!name || archive_entry_filetype(entry) != AE_IFREG) {
      throw Error(Kind::kMalformed, "zip: an entry is not a plain file");
    }
    if (static_cast<int>(members.size()) == max_members) {
      throw Error(Kind::kLimit, fmt::format("zip: more than {} entries", max_members));
    }
    // An entry that comes twice replaces the first, as unzip does.
    std::string& content = members[name];
    content.clear();
    if (archive_entry_size_is_set(entry)) {  // only a hint: what is really read is what counts
      // Only when plausible: a hostile header could claim any size.
      const auto said = static_cast<std::uint64_t>(archive_entry_size(entry));
      if (said <= bytes.size()) content.reserve(said);
    }
    std::vector<char> buffer(1 << 20);
    for (;;) {
      const la_ssize_t n = archive_read_data(a.get(), buffer.data(), buffer.size());
      if (n < 0) fail();
      if (n == 0) break;
      // Counted as unpacked: a small archive can hold gigabytes.
      total += static_cast<std::uint64_t>(n);
      if (total > max_bytes) throw Error(Kind::kLimit, fmt::format("zip: more than {} bytes unpacked", max_bytes));
      content.append(buffer.data(), static_cast<std::size_t>(n));
    }
  }
  return members;
}

}  // namespace clary::artifact
