// SPDX-License-Identifier: Apache-2.0
#include "algorithms/knn/train/memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/error.h"
#include "base/files.h"

namespace clary::knn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(Memory, FailsBeforeReadingWithAdvice) {
  EXPECT_NO_THROW(require_memory(1000, 10, 40'000));
  EXPECT_THAT([] { require_memory(1'000'000'000'000, 1000, 1 << 30); },
              ThrowsMessage<Error>(
                  AllOf(HasSubstr("sample_size: 1000000000000 rows of 1000 features need 4000000000000000 bytes"),
                        HasSubstr("decrease sample_size"))));
  EXPECT_EQ(mem_available("MemTotal: 5 kB\nMemAvailable:   12 kB\n"), 12 * 1024);
  EXPECT_EQ(mem_available("MemTotal: 5 kB\n"), std::nullopt);
  EXPECT_GT(available_memory(), 1 << 20);
}

TEST(Memory, BoundsRowsByTheSizeOfTheFiles) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a";
  std::ofstream(path) << std::string(4000, 'x');
  EXPECT_EQ(most_rows({{path, ""}}, formats::Format::kRecordIoProtobuf, 10), 101);
  EXPECT_EQ(most_rows({{path, ""}}, formats::Format::kCsv, 10), 201);
  std::ofstream(path) << "\x1f\x8b rest";
  EXPECT_EQ(most_rows({{path, ""}}, formats::Format::kCsv, 10), std::nullopt);
}

}  // namespace
}  // namespace clary::knn
