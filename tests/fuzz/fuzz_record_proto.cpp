// SPDX-License-Identifier: Apache-2.0
// One Record message, framed and decoded as training rows in two layouts. The first byte picks options.
#include <cstdlib>

#include "base/error.h"
#include "formats/recordio.h"
#include "formats/row_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clary::formats;
  if (size == 0) return 0;
  const std::string_view record(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string framed;
  append_recordio(framed, record);
  append_recordio_split(framed, record);
  ReadOptions options;
  options.feature_dim = data[0] & 1 ? 3 : 0;
  options.ignore_labels = (data[0] & 2) != 0;
  options.allow_non_finite = (data[0] & 4) != 0;
  options.layout = (data[0] & 8) != 0 ? Layout::kSparse : Layout::kAsData;
  try {
    const auto reader = open_rows(std::as_bytes(std::span(framed)), "fuzz", {}, options);
    Batch batch;
    while (reader->next(batch, 1)) {
      if (batch.rows != 1) std::abort();
      if (batch.sparse && batch.columns.size() != batch.values.size()) std::abort();
      for (std::size_t i = 0; i < batch.columns.size(); ++i) {
        if (batch.columns[i] < 0 || batch.columns[i] >= batch.width) std::abort();
        if (i > 0 && batch.columns[i] <= batch.columns[i - 1]) std::abort();
      }
      if (!batch.sparse && batch.values.size() != static_cast<std::size_t>(batch.width)) std::abort();
    }
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed && error.kind() != clary::Kind::kLimit) std::abort();
  }
  return 0;
}
