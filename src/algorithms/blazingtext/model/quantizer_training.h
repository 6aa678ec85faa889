// SPDX-License-Identifier: Apache-2.0
// Making a product quantiser: 256 centroids for every two columns, by k-means as fastText's `quantize` does it (25
// rounds over at most 65,536 rows). Our own rather than faiss's, which would bring BLAS and OpenMP into every endpoint.
// Source: Jegou, Douze, Schmid, "Product quantization for nearest neighbor search", 2011; Joulin et al.,
// "FastText.zip", arXiv 1612.03651.
#pragma once

#include <cstdint>
#include <span>

#include "algorithms/blazingtext/model/matrix.h"
#include "algorithms/blazingtext/model/quantized_matrix.h"
#include "learning/numeric/team.h"

namespace clary::blazingtext {

/// The given rows of a matrix, compressed. Depends on the rows and the seed, not on the team.
/// @param norms  keep the rows' lengths apart, a byte each; directions are then quantised
/// @throws Error{kLimit} when there are 2^31 codes or more, which fastText's file cannot say
QuantizedMatrix quantize_rows(const Matrix& matrix, std::span<const std::int32_t> rows, bool norms, std::uint64_t seed,
                              numeric::Team& team);

}  // namespace clary::blazingtext
