// SPDX-License-Identifier: Apache-2.0
#include "formats/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zlib.h>

#include <random>

#include "base/error.h"
#include "base/files.h"

namespace clary::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

struct Entry {
  std::string name;
  unsigned type = AE_IFREG;
  std::string content;
  std::string link;
};

/// A tar.gz with whatever is asked for, hostile or not.
void make_archive(const fs::path& path, const std::vector<Entry>& entries) {
  ::archive* a = archive_write_new();
  archive_write_set_format_gnutar(a);
  archive_write_add_filter_gzip(a);
  ASSERT_EQ(archive_write_open_filename(a, path.c_str()), ARCHIVE_OK);
  for (const Entry& e : entries) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, e.name.c_str());
    archive_entry_set_filetype(entry, e.type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(e.content.size()));
    if (e.type == AE_IFLNK) archive_entry_set_symlink(entry, e.link.c_str());
    if (e.type == AE_IFREG && !e.link.empty()) archive_entry_set_hardlink(entry, e.link.c_str());
    ASSERT_GE(archive_write_header(a, entry), ARCHIVE_WARN) << archive_error_string(a);
    if (!e.content.empty()) archive_write_data(a, e.content.data(), e.content.size());
    archive_entry_free(entry);
  }
  archive_write_close(a);
  archive_write_free(a);
}

class ArchiveTest : public ::testing::Test {
 protected:
  fs::path at(const std::string& name) const { return folder_.path() / name; }
  void put(const std::string& name, const std::string& content) const {
    fs::create_directories(at(name).parent_path());
    write_file_atomically(at(name), content);
  }
  std::string unpack_failure(const std::vector<Entry>& entries, const UnpackLimits& limits = {}) const {
    fs::remove_all(at("to"));
    fs::create_directories(at("to"));
    make_archive(at("x.tar.gz"), entries);
    try {
      unpack_tar_gz(at("x.tar.gz"), at("to"), limits);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  TemporaryFolder folder_;
};

TEST_F(ArchiveTest, UnpacksWhatItPacked) {
  put("from/model_algo-1", std::string(3 << 20, 'm'));
  put("from/deep/er/file é.json", "{}");
  fs::create_directories(at("from/empty"));
  ::chmod(at("from/model_algo-1").c_str(), 0755);
  const PackReport report = pack_tar_gz(at("from"), at("model.tar.gz"));
  EXPECT_EQ(report.files, 2U);
  EXPECT_EQ(report.bytes, (3U << 20) + 2);
  fs::create_directories(at("to"));
  unpack_tar_gz(at("model.tar.gz"), at("to"));
  EXPECT_EQ(read_file(at("to/model_algo-1")), std::string(3 << 20, 'm'));
  EXPECT_EQ(read_file(at("to/deep/er/file é.json")), "{}");
  EXPECT_TRUE(fs::is_directory(at("to/empty")));
  EXPECT_NE(fs::status(at("to/model_algo-1")).permissions() & fs::perms::owner_exec, fs::perms::none);
}

TEST_F(ArchiveTest, SameFolderGivesTheSameBytes) {
  put("one/b", "1");
  put("one/a", "2");
  put("two/a", "2");
  put("two/b", "1");
  pack_tar_gz(at("one"), at("1.tar.gz"));
  fs::last_write_time(at("two/a"), fs::file_time_type::clock::now() - std::chrono::hours(1000));
  pack_tar_gz(at("two"), at("2.tar.gz"));
  EXPECT_EQ(read_file(at("1.tar.gz")), read_file(at("2.tar.gz")));
}

/// Floats, text, zeros and mixtures, longer than a piece of GzipWriter, and not its multiples.
std::string mixed_bytes() {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::string out;
  for (int i = 0; i < 700'000; ++i) {
    const float value = normal(random);
    out.append(reinterpret_cast<const char*>(&value), sizeof(value));
  }
  for (int i = 0; i < 300'000; ++i) out += "label " + std::to_string(i % 977) + ", ";
  return out + std::string((5 << 20) + 12'345, '\0') + "end" + std::string(100'000, '\0');
}

TEST_F(ArchiveTest, EveryByteComesBackThroughZlib) {
  const std::string bytes = mixed_bytes();
  put("from/model.bin", bytes);
  pack_tar_gz(at("from"), at("m.tar.gz"));
  EXPECT_LT(fs::file_size(at("m.tar.gz")), 4'500'000U);  // 2.8 MB of floats, 4 MB of text
  fs::create_directories(at("to"));
  unpack_tar_gz(at("m.tar.gz"), at("to"));
  EXPECT_EQ(read_file(at("to/model.bin")), bytes);
  struct stat status {};
  ASSERT_EQ(::stat(at("to/model.bin").c_str(), &status), 0);
  EXPECT_LT(status.st_blocks * 512, static_cast<blkcnt_t>(bytes.size()) - (4 << 20)) << "zeros became a hole";

  const gzFile file = gzopen(at("m.tar.gz").c_str(), "rb");  // checks CRC and size as well
  std::string tar(bytes.size() + 20'000, '\0');
  const int got = gzread(file, tar.data(), static_cast<unsigned>(tar.size()));
  EXPECT_EQ(gzclose(file), Z_OK);
  ASSERT_GT(got, static_cast<int>(bytes.size()));
  EXPECT_EQ(tar.compare(512, bytes.size(), bytes), 0);
}

TEST_F(ArchiveTest, FullDiskIsALimit) {
  put("from/a", std::string(100, 'x'));
  try {
    pack_tar_gz(at("from"), "/dev/full");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kLimit);
    EXPECT_THAT(error.what(), HasSubstr("/dev/full: No space left on device"));
  }
}

TEST_F(ArchiveTest, LinksAreNotPacked) {
  put("secret", "s");
  put("from/a", "1");
  fs::create_symlink(at("secret"), at("from/link"));
  fs::create_directory_symlink(folder_.path(), at("from/up"));
  ::mkfifo(at("from/pipe").c_str(), 0600);
  const PackReport report = pack_tar_gz(at("from"), at("m.tar.gz"));
  EXPECT_THAT(report.left_out, ElementsAre("link", "pipe", "up"));
  EXPECT_EQ(report.files, 1U);
}

TEST_F(ArchiveTest, HostileArchivesAreRefusedByEntry) {
  struct Case {
    std::vector<Entry> entries;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{{"/etc/x", AE_IFREG, "1", ""}}, "x.tar.gz: entry \"/etc/x\": absolute paths"},
      {{{"a/../../x", AE_IFREG, "1", ""}}, "entry \"a/../../x\": \"..\" is not allowed"},
      {{{"..", AE_IFDIR, "", ""}}, "\"..\" is not allowed"},
      {{{"link", AE_IFLNK, "", "/etc"}, {"link/x", AE_IFREG, "1", ""}}, "entry \"link\": only files and folders"},
      {{{"a", AE_IFREG, "1", ""}, {"hard", AE_IFREG, "", "/etc/passwd"}}, "entry \"hard\": only files and folders"},
      {{{"dev", AE_IFCHR, "", ""}}, "only files and folders"},
      {{{"pipe", AE_IFIFO, "", ""}}, "only files and folders"},
      {{{"a", AE_IFREG, "1", ""}, {"a", AE_IFREG, "2", ""}}, "entry \"a\": the name occurs twice"},
      {{{"a", AE_IFREG, "1", ""}, {"a/b", AE_IFREG, "2", ""}}, "a/b"},
  };
  for (const Case& c : cases) EXPECT_THAT(unpack_failure(c.entries), HasSubstr(c.message));
  EXPECT_THAT(unpack_failure({{"a", AE_IFREG, "1", ""}, {"b", AE_IFREG, "1", ""}}, {.max_entries = 1}),
              HasSubstr("more than 1 entries"));
  EXPECT_THAT(unpack_failure({{"a", AE_IFREG, std::string(5000, 'x'), ""}}, {.max_bytes = 4999}),
              HasSubstr("more than 4999 bytes"));
  EXPECT_EQ(unpack_failure({{"./", AE_IFDIR, "", ""}, {"./a", AE_IFREG, "1", ""}}), "no error");
  EXPECT_EQ(read_file(at("to/a")), "1");
}

TEST_F(ArchiveTest, NothingIsWrittenThroughALinkInTheTarget) {
  put("outside/keep", "k");
  fs::create_directories(at("to2"));
  fs::create_directory_symlink(at("outside"), at("to2/in"));
  make_archive(at("y.tar.gz"), {{"in/evil", AE_IFREG, "1", ""}});
  EXPECT_THROW(unpack_tar_gz(at("y.tar.gz"), at("to2")), Error);
  EXPECT_FALSE(fs::exists(at("outside/evil")));
}

TEST_F(ArchiveTest, CutAtManyBytesIsMalformed) {
  put("from/a", std::string(2000, 'a') + "b");
  put("from/b", "2");
  pack_tar_gz(at("from"), at("m.tar.gz"));
  const std::string bytes = read_file(at("m.tar.gz"));
  for (std::size_t size = 0; size + 9 < bytes.size(); ++size) {
    write_file_atomically(at("cut.tar.gz"), bytes.substr(0, size));
    fs::remove_all(at("to3"));
    fs::create_directories(at("to3"));
    try {
      unpack_tar_gz(at("cut.tar.gz"), at("to3"));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kMalformed) << size << ": " << error.what();
    }
  }
  write_file_atomically(at("text.tar.gz"), "this is no archive, by far");
  EXPECT_THROW(unpack_tar_gz(at("text.tar.gz"), at("to3")), Error);
}

}  // namespace
}  // namespace clary::formats
