// SPDX-License-Identifier: Apache-2.0
// testdata/*.index were written by faiss in Python (testdata/make.py).
#include "algorithms/knn/model/index_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/files.h"
#include "support/paths.h"

namespace clary::knn {
namespace {

using ::testing::HasSubstr;

const char* const kFiles[] = {"flat_l2", "flat_ip", "ivfflat_l2", "ivfflat_ip", "ivfflat_sparse", "ivfpq"};

std::string testdata(const std::string& name) {
  return read_file(tests::source_folder().string() + "/src/algorithms/knn/testdata/" + name + ".index");
}

IndexFileSummary check(const std::string& bytes) {
  return check_index_file(std::as_bytes(std::span(bytes)), "model_algo-1");
}

std::string problem(const std::string& bytes) {
  try {
    check(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kMalformed);
    return error.what();
  }
  return "";
}

template <class T>
std::string with(std::string bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
  return bytes;
}

TEST(IndexFile, ReadsWhatFaissWrites) {
  const auto flat = check(testdata("flat_ip"));
  EXPECT_EQ(flat.type, IndexType::kFlat);
  EXPECT_FALSE(flat.l2);
  EXPECT_EQ(flat.rows, 20);
  EXPECT_EQ(flat.width, 4);
  const auto ivf = check(testdata("ivfflat_sparse"));
  EXPECT_EQ(ivf.type, IndexType::kIvfFlat);
  EXPECT_EQ(ivf.nlist, 20);
  EXPECT_EQ(ivf.nprobe, 20);
  EXPECT_EQ(ivf.rows, 3);
  const auto pq = check(testdata("ivfpq"));
  EXPECT_EQ(pq.type, IndexType::kIvfPq);
  EXPECT_EQ(pq.pq_m, 2);
  EXPECT_EQ(pq.rows, 40);
}

TEST(IndexFile, RefusesFilesCutAnywhereOrTooLong) {
  for (const char* name : kFiles) {
    const std::string bytes = testdata(name);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      ASSERT_NE(problem(bytes.substr(0, cut)), "") << name << " cut at " << cut;
    }
    EXPECT_THAT(problem(bytes + "x"), HasSubstr("1 bytes follow the index"));
  }
}

TEST(IndexFile, RefusesEveryLyingCount) {
  const std::string flat = testdata("flat_l2"), pq = testdata("ivfpq");
  constexpr std::size_t kWidthAt = 4, kRowsAt = 8, kTrainedAt = 32, kMetricAt = 33, kNumbersAt = 37, kDataAt = 45;
  EXPECT_THAT(problem("IxXX" + flat.substr(4)), HasSubstr("not a faiss Flat, IVFFlat or IVFPQ index"));
  for (const std::int32_t width : {0, -1, 3, 5, std::numeric_limits<std::int32_t>::max()}) {
    EXPECT_NE(problem(with(flat, kWidthAt, width)), "") << width;
  }
  for (const std::int64_t rows : {std::int64_t{-1}, std::int64_t{19}, std::int64_t{1} << 62}) {
    EXPECT_NE(problem(with(flat, kRowsAt, rows)), "") << rows;
  }
  EXPECT_THAT(problem(with(flat, kRowsAt, std::int64_t{1} << 62)),
              HasSubstr("byte 8: vector count is 4611686018427387904"));
  EXPECT_THAT(problem(with(flat, kTrainedAt, std::uint8_t{0})), HasSubstr("is_trained is 0, must be 1"));
  EXPECT_THAT(problem(with(flat, kMetricAt, std::int32_t{7})), HasSubstr("metric is 7"));
  EXPECT_THAT(problem(with(flat, kMetricAt, std::int32_t{0})), HasSubstr("contradicts the type tag"));
  EXPECT_NE(problem(with(flat, kNumbersAt, ~std::uint64_t{0})), "");
  EXPECT_NE(problem(with(flat, kNumbersAt, std::uint64_t{79})), "");
  EXPECT_THAT(problem(with(flat, kDataAt, std::numeric_limits<float>::quiet_NaN())), HasSubstr("must be finite"));
  constexpr std::size_t kNlistAt = 37, kNprobeAt = 45;
  EXPECT_NE(problem(with(pq, kNlistAt, std::uint64_t{0})), "");
  EXPECT_NE(problem(with(pq, kNlistAt, ~std::uint64_t{0})), "");
  EXPECT_THAT(problem(with(pq, kNprobeAt, std::uint64_t{0})), HasSubstr("nprobe is 0"));
  EXPECT_THAT(problem(with(pq, pq.size() - 8, std::int64_t{40})), HasSubstr("id 40 of 40 vectors"));
  EXPECT_THAT(problem(with(pq, pq.size() - 8, std::int64_t{-1})), HasSubstr("id -1"));
}

TEST(IndexFile, AnyByteChangedIsReadOrRefusedButNeverWorse) {
  for (const char* name : kFiles) {
    const std::string bytes = testdata(name);
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (const char value : {'\0', '\x01', '\x7f', '\xff'}) {
        const std::string changed = with(bytes, at, value);
        problem(changed);  // must not crash or allocate without bound; sanitizers watch
      }
    }
  }
}

}  // namespace
}  // namespace clary::knn
