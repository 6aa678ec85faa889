// SPDX-License-Identifier: Apache-2.0
#include "learning/numeric/blas_core.h"

#include <cpuid.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>

namespace clary::numeric {
namespace {

constexpr const char* kReexecMark = "CLARY_BLAS_SET";  // set before the re-exec, so that it happens once

bool bit(unsigned word, int at) { return ((word >> at) & 1U) != 0; }

/// XCR0: which register files the operating system saves.
/// The CPU may have AVX-512 while the operating system does not save its registers (old kernels, some virtual
/// machines).
std::uint64_t saved_registers() {
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<std::uint64_t>(high) << 32) | low;
}

}  // namespace

CpuFeatures cpu_features() {
  CpuFeatures out;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0, &a, &b, &c, &d) == 0) return out;
  out.amd = b == 0x68747541;  // "Auth"enticAMD
  __get_cpuid(1, &a, &b, &c, &d);
  const bool xsave = bit(c, 27);
  const std::uint64_t saved = xsave ? saved_registers() : 0;
  // XCR0 bits 1 and 2: SSE and AVX state; 5 to 7: the three parts of AVX-512 state.
  const bool ymm = (saved & 0x6) == 0x6, zmm = (saved & 0xe6) == 0xe6;
  out.avx = ymm && bit(c, 28);
  out.fma = ymm && bit(c, 12);
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return out;
  out.avx2 = ymm && bit(b, 5);
  // F, DQ, CD, BW and VL: what OpenBLAS's SkylakeX kernels use.
  out.avx512 = zmm && bit(b, 16) && bit(b, 17) && bit(b, 28) && bit(b, 30) && bit(b, 31);
  return out;
}

std::optional<std::string> openblas_core(const CpuFeatures& features) {
  // Never "Cooperlake": OpenBLAS 0.3.21 answers "Core not found" and guesses again.
  if (features.avx512) return "SkylakeX";
  if (features.avx2 && features.fma) return features.amd ? "Zen" : "Haswell";
  if (features.avx && !features.amd) return "Sandybridge";
  return std::nullopt;
}

std::vector<std::pair<std::string, std::string>> blas_environment(const CpuFeatures& features) {
  std::vector<std::pair<std::string, std::string>> out;
  if (const auto core = openblas_core(features); core && std::getenv("OPENBLAS_CORETYPE") == nullptr)
    out.emplace_back("OPENBLAS_CORETYPE", *core);
  if (features.avx512 && std::getenv("ATEN_CPU_CAPABILITY") == nullptr)
    out.emplace_back("ATEN_CPU_CAPABILITY", "avx512");
  return out;
}

// OpenBLAS and ATen read these variables when they are loaded, before main(): a restart is the only way.
void reexec_with_blas_environment(char** argv) {
  if (std::getenv(kReexecMark) != nullptr) return;
  const auto missing = blas_environment();
  if (missing.empty()) return;
  for (const auto& [name, value] : missing) setenv(name.c_str(), value.c_str(), 1);
  setenv(kReexecMark, "1", 1);
  execv("/proc/self/exe", argv);  // on failure go on: slower, not wrong
}

}  // namespace clary::numeric
