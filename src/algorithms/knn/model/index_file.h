// SPDX-License-Identifier: Apache-2.0
// Checks the bytes of a faiss index file before faiss reads them: its own reader trusts every count, so a lying file
// makes it allocate without bound or read past its buffers. Accepts exactly the published layout (README.md): flat,
// IVF-flat and IVF-PQ with 8-bit codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "algorithms/knn/hyperparameters.h"

namespace clary::knn {

struct IndexFileSummary {
  IndexType type = IndexType::kFlat;
  bool l2 = true;
  std::int64_t width = 0;
  std::int64_t rows = 0;
  std::int64_t nlist = 1;   // IVF, else 1
  std::int64_t nprobe = 1;  // IVF, else 1
  std::int64_t pq_m = 1;    // IVFPQ, else 1
};

/// @param name  of the file, for messages
/// @throws Error{kMalformed} naming file, byte offset, value and rule; nothing that passes makes faiss::read_index
/// allocate more than a small multiple of the file's size (IVFPQ: plus at most 2 GiB of tables), and every id is in
/// [0, rows)
IndexFileSummary check_index_file(std::span<const std::byte> bytes, const std::string& name);

}  // namespace clary::knn
