// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/manifest_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "formats/recordio.h"

namespace clary::blazingtext {
namespace {

/// Hands out a few bytes a call, as pipes may.
class Trickle : public formats::ByteSource {
 public:
  explicit Trickle(std::string bytes, std::size_t step = 3) : bytes_(std::move(bytes)), step_(step) {}
  std::size_t read(std::span<std::byte> out) override {
    const std::size_t n = std::min({out.size(), bytes_.size() - at_, step_});
    std::memcpy(out.data(), bytes_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string bytes_;
  std::size_t step_, at_ = 0;
};

std::string text_of(std::string records) {
  const auto source = manifest_text(std::make_unique<Trickle>(std::move(records)), "channel train");
  std::string out;
  std::array<std::byte, 7> block{};
  while (const std::size_t n = source->read(block)) out.append(reinterpret_cast<const char*>(block.data()), n);
  return out;
}

std::string records_of(const std::vector<std::string>& payloads) {
  std::string out;
  for (const auto& payload : payloads) formats::append_recordio(out, payload);
  return out;
}

std::string problem_of(const std::string& records) {
  try {
    text_of(records);
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind() == Kind::kMalformed || error.kind() == Kind::kLimit);
    return error.what();
  }
  return "";
}

TEST(ManifestText, SamplesBecomeLabelledLines) {
  EXPECT_EQ(text_of(records_of({"linux ready", "1", "two\nlines .", "[1, 3]", "", "\"7\""})),
            "__label__1 linux ready\n__label__1 __label__3 two lines .\n__label__\"7\" \n");
  EXPECT_EQ(text_of(""), "");
}

TEST(ManifestText, LabelsComeInEveryForm) {
  EXPECT_EQ(labels_of("1"), "__label__1");
  EXPECT_EQ(labels_of(" sports news "), "__label__sports_news");
  EXPECT_EQ(labels_of("__label__x"), "__label__x");
  EXPECT_EQ(labels_of("[1, 3]"), "__label__1 __label__3");
  EXPECT_EQ(labels_of(R"(["a b", "__label__c", true])"), "__label__a_b __label__c __label__true");
  for (const char* bad : {"", "  ", "[]", "[null]", "[[1]]", "[1", R"({"a": 1})", R"([""])"})
    EXPECT_THROW(labels_of(bad), Error) << bad;
}

/// The magic word between two parts once took a record over the limit, and what was left of it became 2^64 - 4.
TEST(ManifestText, ASampleOfManyPartsIsBoundedToo) {
  constexpr std::uint32_t kLimit = 64U << 20U, kFirst = 1U << 29U, kMiddle = 2U << 29U;
  const auto part = [](std::uint32_t flag, std::uint32_t size) {
    const std::uint32_t head[] = {formats::kRecordIoMagic, flag | size};
    return std::string(reinterpret_cast<const char*>(head), sizeof(head)) + std::string(size, 'x');
  };
  const auto source = manifest_text(
      std::make_unique<Trickle>(part(kFirst, kLimit) + part(kMiddle, 0) + part(kMiddle, 4096), 1 << 20), "train");
  std::array<std::byte, 8> block{};
  EXPECT_THAT([&] { source->read(block); },
              ::testing::ThrowsMessage<Error>("train: record 1 is longer than 67108864 bytes"));
}

TEST(ManifestText, SplitRecordsAreJoinedAtTheMagicWord) {
  std::string payload = "abcd";
  const std::uint32_t magic = formats::kRecordIoMagic;
  payload.append(reinterpret_cast<const char*>(&magic), 4).append("efgh");
  std::string split, whole;
  formats::append_recordio_split(split, payload);
  formats::append_recordio(whole, payload);
  ASSERT_NE(split, whole);
  EXPECT_EQ(text_of(split + records_of({"1"})), text_of(whole + records_of({"1"})));
}

TEST(ManifestText, BrokenStreamsAreNamedBySample) {
  const std::string good = records_of({"text", "1"});
  EXPECT_THAT(problem_of(good + records_of({"text"})), testing::HasSubstr("sample 2 has a text, but no label"));
  EXPECT_THAT(problem_of(good + records_of({"text", "{}"})), testing::HasSubstr("sample 2 the label is an object"));
  EXPECT_THAT(problem_of("plain text that is no record"), testing::HasSubstr("record 1 has the wrong magic number"));
  for (std::size_t size = 1; size < good.size(); ++size) EXPECT_NE(problem_of(good.substr(0, size)), "") << size;
  std::string huge = good;
  const std::uint32_t length = 0x1fff'ffff;
  std::memcpy(huge.data() + 4, &length, 4);
  EXPECT_THAT(problem_of(huge), testing::HasSubstr("is longer than"));
}

}  // namespace
}  // namespace clary::blazingtext
