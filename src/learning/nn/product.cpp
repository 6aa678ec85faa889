// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/product.h"

#include <fmt/format.h>

#include "learning/nn/onednn.h"

namespace clary::nn {

void product(std::int64_t m, std::int64_t n, std::int64_t k, const MatrixView& a, const MatrixView& b, float beta,
             float* c, std::int64_t c_stride) {
  const onednn::ThreadCount one(1);
  const auto letter = [](const MatrixView& matrix) { return matrix.transposed == Transposed::kYes ? 'T' : 'N'; };
  const auto status =
      dnnl_sgemm(letter(a), letter(b), m, n, k, 1.0F, a.values, a.stride, b.values, b.stride, beta, c, c_stride);
  if (status != dnnl_success)
    throw Error(Kind::kInternal,
                fmt::format("oneDNN: sgemm of {} x {} x {} failed with status {}", m, n, k, static_cast<int>(status)));
}

}  // namespace clary::nn
