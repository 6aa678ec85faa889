// SPDX-License-Identifier: Apache-2.0
// Pickles that users upload as models: for any bytes, parsing ends with a Booster's parts or kMalformed, and
// what was found survives being written and read again. (The bytes inside, the library's own forms, are the library's.)
#include <cstdlib>

#include "algorithms/xgboost/model/booster_pickle.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clary::xgboost;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  is_pickle(bytes);
  try {
    const PickledBooster found = parse_pickle(bytes);
    if (found.handle.empty() || parse_pickle(write_pickle(found)).handle != found.handle) std::abort();
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed && error.kind() != clary::Kind::kLimit) std::abort();
  }
  return 0;
}
