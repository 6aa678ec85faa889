// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>

#include "learning/numeric/blas_core.h"
#include "learning/numeric/memory.h"
#include "learning/numeric/threads.h"

namespace clary::numeric {
namespace {

TEST(BlasCore, NamesTheWidestKernelsTheCpuHas) {
  CpuFeatures f;
  EXPECT_EQ(openblas_core(f), std::nullopt);
  f.avx = true;
  EXPECT_EQ(openblas_core(f), "Sandybridge");
  f.avx2 = f.fma = true;
  EXPECT_EQ(openblas_core(f), "Haswell");
  f.amd = true;
  EXPECT_EQ(openblas_core(f), "Zen");
  f.amd = false, f.avx512 = true;
  EXPECT_EQ(openblas_core(f), "SkylakeX");
}

TEST(BlasCore, LeavesWhatTheUserSetAlone) {
  CpuFeatures f;
  f.avx = f.avx2 = f.fma = f.avx512 = true;
  unsetenv("OPENBLAS_CORETYPE");
  unsetenv("ATEN_CPU_CAPABILITY");
  EXPECT_EQ(blas_environment(f).size(), 2u);
  setenv("OPENBLAS_CORETYPE", "Haswell", 1);
  const auto rest = blas_environment(f);
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].first, "ATEN_CPU_CAPABILITY");
  unsetenv("OPENBLAS_CORETYPE");
}

TEST(BlasCore, AgreesWithTheCompilersOwnCpuid) {
  __builtin_cpu_init();
  EXPECT_EQ(cpu_features().avx2, __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ(cpu_features().avx512, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                                       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                                       __builtin_cpu_supports("avx512cd"));
}

TEST(Threads, ReadsTheCgroupQuota) {
  EXPECT_EQ(cgroup_cpus("max 100000"), 0);
  EXPECT_EQ(cgroup_cpus("200000 100000\n"), 2);
  EXPECT_EQ(cgroup_cpus("150000 100000"), 2);
  EXPECT_EQ(cgroup_cpus("1000 100000"), 1);
  EXPECT_EQ(cgroup_cpus(""), 0);
  EXPECT_EQ(cgroup_cpus("x y"), 0);
}

TEST(AvailableMemory, IsNoMoreThanTheLimitOnDataLeaves) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &before), 0);
  const rlimit tight{rlim_t{4} << 30, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &tight), 0);
  const std::int64_t left = available_memory();
  setrlimit(RLIMIT_DATA, &before);
  EXPECT_GT(left, 0);
  EXPECT_LT(left, std::int64_t{4} << 30);
}

TEST(Threads, EnvironmentWins) {
  setenv("CLARY_THREADS", "3", 1);
  EXPECT_EQ(available_threads(), 3);
  setenv("CLARY_THREADS", "many", 1);
  setenv("OMP_NUM_THREADS", "5", 1);
  EXPECT_EQ(available_threads(), 5);
  unsetenv("CLARY_THREADS");
  unsetenv("OMP_NUM_THREADS");
  EXPECT_GE(available_threads(), 1);
}

}  // namespace
}  // namespace clary::numeric
