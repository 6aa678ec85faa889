// SPDX-License-Identifier: Apache-2.0
// Bodies of BlazingText requests in all four types: only Error may escape.
#include "algorithms/blazingtext/serve/request.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const char* type : {"application/json", "application/jsonlines", "text/csv", "text/plain"}) {
    try {
      clary::blazingtext::read_queries(clary::formats::parse_content_type(type), body);
    } catch (const clary::Error&) {  // NOLINT: the expected answer
    }
  }
  return 0;
}
