// SPDX-License-Identifier: Apache-2.0
// JSON and UBJSON that users upload as models: for any bytes, reading them for their version and base_score
// ends with kMalformed or a document whose base scores are numbers.
#include <cmath>
#include <cstdlib>

#include "algorithms/xgboost/model/model_document.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clary::xgboost;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (!is_model_document(bytes)) return 0;
  try {
    const ModelDocument document = read_model_document(bytes);
    document.version_text();
    for (const float score : document.base_scores())
      if (!std::isfinite(score)) std::abort();
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed) std::abort();
  }
  return 0;
}
