// SPDX-License-Identifier: Apache-2.0
// `quantize`: a classifier made many times smaller, as `fasttext quantize` does: two numbers of a row become a byte,
// and of all words and n-grams only those with the longest rows may be kept. fastText's -retrain is not done.
#pragma once

#include <cstdint>

#include "algorithms/blazingtext/model/model.h"
#include "learning/numeric/team.h"

namespace clary::blazingtext {

struct QuantizeOptions {
  bool norms = false;       // fastText's -qnorm
  std::int64_t cutoff = 0;  // fastText's -cutoff: rows to keep; 0: all
  std::uint64_t seed = 1;
};

/// The classifier with a compressed input matrix; its output matrix stays as it is (fastText's default).
/// With a cutoff: </s> stays, then rows by descending length; words keep their order, n-gram buckets are renumbered.
Model quantized(const Model& model, const QuantizeOptions& options, numeric::Team& team);

}  // namespace clary::blazingtext
