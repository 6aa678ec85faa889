// SPDX-License-Identifier: Apache-2.0
// Files of a k-NN model archive: first byte 0 is the metadata, anything else the index (before faiss reads it).
#include <cstdint>
#include <span>
#include <string_view>

#include "algorithms/knn/data/sample.h"
#include "algorithms/knn/model/index_file.h"
#include "algorithms/knn/model/metadata.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clary::knn;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if (data[0] == 0) {
      to_json(parse_metadata(text, "model_algo-1.json"));
    } else if (data[0] == 1) {
      to_bytes(sample_from_bytes(text));
    } else {
      const auto summary = check_index_file(std::as_bytes(std::span(text)), "model_algo-1");
      // What passes must fit: faiss allocates by these numbers.
      if (summary.rows > static_cast<std::int64_t>(size) || summary.nlist > static_cast<std::int64_t>(size))
        __builtin_trap();
    }
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed) __builtin_trap();
  }
  return 0;
}
