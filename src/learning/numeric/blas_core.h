// SPDX-License-Identifier: Apache-2.0
// Which kernels OpenBLAS and LibTorch should take, by what CPUID says. Debian's OpenBLAS knows only the CPU models of
// its release and falls back to an SSE core for newer ones (62 instead of 320 GFLOP/s on a Sapphire Rapids core), so
// programs set OPENBLAS_CORETYPE before the library is loaded.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace clary::numeric {

struct CpuFeatures {
  bool avx = false, fma = false, avx2 = false;
  bool avx512 = false;  // F, CD, DQ, BW, VL: what OpenBLAS's SkylakeX kernels need
  bool amd = false;
};

/// From CPUID, including what the operating system saves on a context switch (XGETBV).
CpuFeatures cpu_features();

/// OpenBLAS's name of the best kernels for these features; nothing when its own choice is kept.
std::optional<std::string> openblas_core(const CpuFeatures& features);

/// Environment to start a numeric program with: OPENBLAS_CORETYPE and ATEN_CPU_CAPABILITY, only where they help and are
/// not set already.
std::vector<std::pair<std::string, std::string>> blas_environment(const CpuFeatures& features = cpu_features());

/// Re-executes this program once with blas_environment() when something is missing from it. Call first thing in main().
void reexec_with_blas_environment(char** argv);

}  // namespace clary::numeric
