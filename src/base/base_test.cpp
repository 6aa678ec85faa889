// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/json_fault.h"
#include "base/links.h"
#include "base/mutex.h"
#include "base/text.h"
#include "base/time.h"

namespace clary {
namespace {

TEST(PlaceIn, ForeignNamesStayInTheFolder) {
  const TemporaryFolder folder;
  EXPECT_EQ(place_in(folder.path(), "a/b/c"), folder.path() / "a/b/c");
  EXPECT_TRUE(std::filesystem::is_directory(folder.path() / "a/b"));
  write_file_atomically(folder.path() / "a/file", "x");
  for (const std::string name : {"../x", "a/../../x", "..", ".", "", "/x", "a//b", "a/./b", "a/", "a/file/below"})
    EXPECT_THROW(place_in(folder.path(), name), Error) << name;
  EXPECT_THROW(place_in(folder.path(), std::string_view("a\0b", 3)), Error);
  EXPECT_THROW(place_in(folder.path(), std::string(256, 'n')), Error);
}

TEST(LinkOrCopy, LinksWhereItCanAndCopiesToAnotherFileSystem) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "file";
  write_file_atomically(file, "bytes");
  EXPECT_FALSE(link_or_copy(file, folder.path() / "link"));
  EXPECT_EQ(std::filesystem::hard_link_count(file), 2U);
  EXPECT_EQ(link_or_copy(file, folder.path() / "link"), std::errc::file_exists);
  EXPECT_EQ(link_or_copy(folder.path() / "none", folder.path() / "x"), std::errc::no_such_file_or_directory);
  struct stat here {
  }, there{};
  if (::stat(folder.path().c_str(), &here) != 0 || ::stat("/dev/shm", &there) != 0 || here.st_dev == there.st_dev)
    GTEST_SKIP() << "/dev/shm is not another file system";
  const TemporaryFolder other("/dev/shm");
  EXPECT_FALSE(link_or_copy(file, other.path() / "copy"));
  EXPECT_EQ(read_file(other.path() / "copy"), "bytes");
  EXPECT_EQ(link_or_copy(file, other.path() / "copy"), std::errc::file_exists);
  EXPECT_EQ(read_file(other.path() / "copy"), "bytes");
}

TEST(Hash, ChecksumsOfTheStandardTestTextAreRight) {
  constexpr std::string_view kText = "123456789";
  EXPECT_EQ(to_hex(digest(Digest::kCrc32, kText)), "cbf43926");
  EXPECT_EQ(to_hex(digest(Digest::kCrc32c, kText)), "e3069283");
  EXPECT_EQ(to_hex(digest(Digest::kCrc64Nvme, kText)), "ae8b14860a799888");
  EXPECT_EQ(to_hex(digest(Digest::kMd5, kText)), "25f9e794323b453885f5181f1b624d0b");
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Hash, PartwiseUpdatesEqualOneUpdate) {
  const std::string text = "the quick brown fox jumps over the lazy dog, thirteen times";
  for (const Digest kind : {Digest::kMd5, Digest::kSha256, Digest::kCrc32, Digest::kCrc32c, Digest::kCrc64Nvme}) {
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      Hasher hasher(kind);
      hasher.update(text.substr(0, cut));
      hasher.update(text.substr(cut));
      EXPECT_EQ(hasher.finish(), digest(kind, text));
    }
  }
}

TEST(Hash, HmacMatchesRfc4231CaseTwo) {
  EXPECT_EQ(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Hash, HmacMatchesRfc4231CaseSixWithALongKey) {
  EXPECT_EQ(to_hex(hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Hash, Base64RoundTripsEveryLengthAndRejectsNonsense) {
  std::string bytes;
  for (int i = 0; i < 40; ++i) {
    EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
    bytes += static_cast<char>(i * 37);
  }
  EXPECT_FALSE(from_base64("abc"));
  EXPECT_FALSE(from_base64("****"));
}

TEST(Json, RejectsDeepNestingAndNamesTheByteOfAnError) {
  EXPECT_THROW(parse_json(std::string(100, '[')), Error);
  try {
    parse_json("{\"a\": }");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kMalformed);
    EXPECT_STREQ(e.what(), "not valid JSON at byte 7");
  }
}

TEST(Json, AFaultNamesTheWordThatIsNotJson) {
  const auto message = [](std::string_view text) { return json_fault(text).message("reason"); };
  EXPECT_EQ(message("[1, NaN]"), "not valid JSON at byte 5: NaN is not a JSON value");
  EXPECT_EQ(message("[1, nan]"), "not valid JSON at byte 5: nan is not a JSON value");
  EXPECT_EQ(message("[-Infinity]"), "not valid JSON at byte 2: -Infinity is not a JSON value");
  EXPECT_EQ(message("{\"a\": None}"), "not valid JSON at byte 7: None is not a JSON value");
  EXPECT_EQ(message("[\"NaN\", 1, ]"), "not valid JSON at byte 12: reason");
  EXPECT_EQ(message("[1 true]"), "not valid JSON at byte 7: reason");
  EXPECT_EQ(message(""), "not valid JSON at byte 1: reason");
  EXPECT_EQ(message("[\"\xFF\"]"), "not valid JSON at byte 3: reason");
  EXPECT_EQ(message("[" + std::string(10'000, 'x')), "not valid JSON at byte 2: reason");
  EXPECT_EQ(message("[1]"), "not valid JSON: reason");
  EXPECT_THAT([] { parse_json("[Infinity]"); },
              testing::ThrowsMessage<Error>("not valid JSON at byte 2: Infinity is not a JSON value"));
}

TEST(Text, Utf8CheckKnowsTheForbiddenForms) {
  EXPECT_TRUE(is_utf8("plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80"));
  for (const char* bad : {"\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\x80", "\xFF"})
    EXPECT_FALSE(is_utf8(bad));
}

TEST(Text, PercentCodingRoundTrips) {
  const std::string all = "a b/\xC3\xA4+%~";
  EXPECT_EQ(percent_encoded(all, true), "a%20b/%C3%A4%2B%25~");
  EXPECT_EQ(percent_decoded(percent_encoded(all)), all);
  EXPECT_FALSE(percent_decoded("%4"));
  EXPECT_FALSE(percent_decoded("%zz"));
}

TEST(Time, FormsRoundTrip) {
  const EpochMs t = 1795251063123;
  EXPECT_EQ(parse_iso8601(iso8601_ms(t)), t);
  EXPECT_EQ(parse_basic_iso8601(basic_iso8601(t)), t / 1000 * 1000);
  EXPECT_EQ(parse_http_date(http_date(t)), t / 1000 * 1000);
  EXPECT_FALSE(parse_basic_iso8601("20261121T085103"));
}

TEST(Files, DurableWriteReplacesTheWholeFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a";
  write_file_durably(path, "one");
  write_file_durably(path, "two");
  EXPECT_EQ(read_file(path), "two");
  EXPECT_THROW(read_file(path, 2), Error);
  EXPECT_THROW(read_file(folder.path() / "missing"), Error);
}

TEST(Files, SparseWriterWritesWhatItIsToldWithHoles) {
  const TemporaryFolder folder;
  for (const std::size_t zeros : {0U, 1U, 65'535U, 65'536U, 5'000'000U})
    for (const std::size_t last : {0U, 1U, 70'000U}) {
      const auto path = folder.path() / "file";
      std::string expected =
          "head" + std::string(zeros, '\0') + std::string(2'000'000, 'x') + "y" + std::string(last, '\0');
      const UniqueFd fd = open_file(path, O_RDWR | O_CREAT | O_TRUNC);
      SparseWriter out(fd.get(), "file");
      out.write("head");
      out.zeros(zeros / 2), out.zeros(zeros - zeros / 2);
      out.write(std::string(2'000'000, 'x'));
      out.write("y");
      out.zeros(last);
      out.finish();
      ASSERT_EQ(read_file(path), expected) << zeros << " " << last;
      struct stat status {};
      ASSERT_EQ(fstat(fd.get(), &status), 0);
      EXPECT_LT(status.st_blocks * 512, 3'000'000);
    }
}

TEST(Files, AllZeroLooksAtEveryByte) {
  for (std::size_t size : {0U, 1U, 2U, 63U, 100U}) {
    std::vector<std::byte> bytes(size);
    EXPECT_TRUE(all_zero(bytes)) << size;
    for (std::size_t i = 0; i < size; ++i) {
      bytes[i] = std::byte{1};
      EXPECT_FALSE(all_zero(bytes)) << size << " " << i;
      bytes[i] = std::byte{0};
    }
  }
}

TEST(Ids, UuidsHaveVersionFourAndDiffer) {
  const std::string a = random_uuid();
  EXPECT_EQ(a.size(), 36U);
  EXPECT_EQ(a[14], '4');
  EXPECT_NE(a, random_uuid());
}

TEST(Json, IntegersAreExactOrRefused) {
  const std::pair<const char*, std::optional<std::int64_t>> rows[] = {
      {"0", 0},
      {"-5", -5},
      {"9223372036854775807", INT64_MAX},
      {"-9223372036854775808", INT64_MIN},
      {"9223372036854775808", std::nullopt},
      {"18446744073709551615", std::nullopt},  // was -1
      {"5.0", 5},
      {"5.5", std::nullopt},
      {"9007199254740992.0", 9007199254740992},
      {"1e300", std::nullopt},
      {"\"5\"", std::nullopt},
      {"true", std::nullopt},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(exact_integer(parse_json(text)), expected) << text;
}

TEST(Mutex, ConditionGivesTheLockBackWhileItWaits) {
  struct Box {
    Mutex mutex;
    Condition changed;
    int value GUARDED_BY(mutex) = 0;
  } box;
  std::jthread other([&box] {
    const MutexLock lock(box.mutex);
    box.value = 7;
    box.changed.notify_all();
  });
  MutexLock lock(box.mutex);
  box.changed.wait(lock, [&box]() REQUIRES(box.mutex) { return box.value == 7; });
  EXPECT_FALSE(box.changed.wait_for(lock, std::chrono::milliseconds(1), [] { return false; }));
  lock.unlock();
  other.join();
  if (!box.mutex.try_lock()) FAIL() << "the lock was not given back";
  const MutexLock again(box.mutex, std::adopt_lock);
  EXPECT_EQ(box.value, 7);
}

}  // namespace
}  // namespace clary
