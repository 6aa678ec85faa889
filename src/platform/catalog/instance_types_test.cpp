// SPDX-License-Identifier: Apache-2.0
#include "platform/catalog/instance_types.h"

#include <gtest/gtest.h>

namespace clary::catalog {
namespace {

TEST(InstanceTypes, FamilyAndSizeSayWhatThereIs) {
  constexpr std::uint64_t kGiB = 1ULL << 30U;
  struct Case {
    const char* type;
    int vcpus;
    std::uint64_t gib;
  };
  for (const auto& [type, vcpus, gib] :
       {Case{"ml.m7i.large", 2, 8}, Case{"ml.c7i.xlarge", 4, 8}, Case{"ml.r8g.2xlarge", 8, 64},
        Case{"ml.g6.xlarge", 4, 16}, Case{"ml.g6e.xlarge", 4, 32}, Case{"ml.inf1.xlarge", 4, 8},
        Case{"ml.inf2.xlarge", 4, 16}, Case{"ml.t3.medium", 2, 4}, Case{"ml.m6g.medium", 1, 4},
        Case{"ml.trn1.32xlarge", 128, 512}, Case{"ml.p4d.24xlarge", 96, 1152}}) {
    EXPECT_EQ(instance_resources(type).vcpus, vcpus) << type;
    EXPECT_EQ(instance_resources(type).memory_bytes, gib * kGiB) << type;
  }
}

TEST(InstanceTypes, AreClippedToTheMachine) {
  constexpr std::uint64_t kGiB = 1ULL << 30U;
  EXPECT_EQ(instance_resources("ml.c4.xlarge").vcpus, 4);
  EXPECT_EQ(instance_resources("ml.c4.xlarge").memory_bytes, 8 * kGiB);
  EXPECT_EQ(instance_resources("ml.m5.24xlarge").vcpus, 96);
  EXPECT_EQ(instance_resources("ml.r5.large").memory_bytes, 16 * kGiB);
  EXPECT_EQ(instance_resources("nonsense").vcpus, 2);
  const Resources machine{2, 4 * kGiB};
  const Resources job = job_resources("ml.c4.xlarge", 2, machine);
  EXPECT_EQ(job.vcpus, 2);
  EXPECT_EQ(instance_share(job, 2).vcpus, 1);
  EXPECT_EQ(instance_share(job, 8).vcpus, 1);
  EXPECT_TRUE(job.fits_in(machine));
  EXPECT_FALSE(job.fits_in({1, 4 * kGiB}));
}

}  // namespace
}  // namespace clary::catalog
