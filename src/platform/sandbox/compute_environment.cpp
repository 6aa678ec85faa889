// SPDX-License-Identifier: Apache-2.0
#include "platform/sandbox/sandbox.h"

namespace clary::sandbox {

namespace {

/// OpenBLAS's name of the best kernel set this CPU runs, "" to leave the choice to OpenBLAS.
/// Debian 12's OpenBLAS 0.3.21 detects cores by model number and falls back to Prescott (SSE3) for CPUs that are newer
/// than itself: several times slower. The CPU's features decide instead.
std::string openblas_core() {
// __builtin_cpu_supports() includes the check that the operating system saves the registers (XGETBV).
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw"))
    return "SkylakeX";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
  return "";
}

}  // namespace

std::map<std::string, std::string> compute_environment(int threads) {
  const std::string count = std::to_string(threads < 1 ? 1 : threads);
  std::map<std::string, std::string> environment{
      {"OMP_NUM_THREADS", count}, {"OPENBLAS_NUM_THREADS", count}, {"MKL_NUM_THREADS", count}};
  if (const std::string core = openblas_core(); !core.empty()) environment["OPENBLAS_CORETYPE"] = core;
  return environment;
}

}  // namespace clary::sandbox
