// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/checksum.h"

#include <gtest/gtest.h>

namespace clary::objects {
namespace {

TEST(Checksum, CombinedCrcEqualsTheCrcOfTheWhole) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += static_cast<char>(i * 131 >> 3);
  for (const Digest kind : {Digest::kCrc32, Digest::kCrc32c, Digest::kCrc64Nvme})
    for (const std::size_t cut : {0UL, 1UL, 7UL, 8UL, 100UL, 4096UL, 4999UL, 5000UL}) {
      const auto a = text.substr(0, cut), b = text.substr(cut);
      EXPECT_EQ(to_hex(combined_crc(kind, digest(kind, a), digest(kind, b), b.size())), to_hex(digest(kind, text)))
          << checksum_name(kind) << " cut at " << cut;
    }
}

TEST(Checksum, NamesAreReadInAnyCase) {
  for (const Digest kind : {Digest::kCrc32, Digest::kCrc32c, Digest::kCrc64Nvme, Digest::kSha1, Digest::kSha256})
    EXPECT_EQ(checksum_named(checksum_name(kind)), kind);
  EXPECT_EQ(checksum_named("crc64nvme"), Digest::kCrc64Nvme);
  EXPECT_FALSE(checksum_named("XXHASH64"));
  EXPECT_FALSE(checksum_named("MD5"));
}

}  // namespace
}  // namespace clary::objects
