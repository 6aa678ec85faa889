// SPDX-License-Identifier: Apache-2.0
// A model's params list and zip from a stranger: only Error may escape.
#include "base/error.h"
#include "learning/artifact/mxnet_params.h"
#include "learning/artifact/zip_archive.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    clary::artifact::read_arrays(bytes);
  } catch (const clary::Error&) {  // NOLINT: the expected answer
  }
  try {
    for (const auto& [name, content] : clary::artifact::read_zip(bytes, 1 << 20)) clary::artifact::read_arrays(content);
  } catch (const clary::Error&) {  // NOLINT
  }
  return 0;
}
