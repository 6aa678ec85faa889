// SPDX-License-Identifier: Apache-2.0
// libsvm rows, whole and in small batches, as training data and as a request. The first byte picks options.
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "formats/row_reader.h"

namespace {

using namespace clary::formats;

bool read(std::string_view text, const ReadOptions& options, std::int64_t batch_rows, Batch& all) {
  try {
    const auto reader = open_rows(std::as_bytes(std::span(text)), "fuzz", parse_content_type("text/libsvm"), options);
    Batch batch;
    while (reader->next(batch, batch_rows)) append_rows(all, batch, 0, batch.rows);
    return true;
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed && error.kind() != clary::Kind::kLimit) std::abort();
    return false;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  ReadOptions options;
  options.feature_dim = (data[0] & 1) != 0 ? 9 : 0;
  options.libsvm_request = (data[0] & 2) != 0;
  options.missing_allowed = (data[0] & 4) != 0;
  Batch whole, pieces;
  const bool good = read(text, options, 1 << 20, whole);
  if (read(text, options, 1, pieces) != good) std::abort();
  if (!good) return 0;
  if (whole.offsets != pieces.offsets || whole.columns != pieces.columns || whole.query_ids != pieces.query_ids)
    std::abort();
  for (std::int64_t r = 0; r < whole.rows; ++r) {
    std::int32_t before = -1;
    for (const std::int32_t column : whole.row_columns(r)) {
      if (column <= before || column >= whole.width) std::abort();
      before = column;
    }
  }
  return 0;
}
