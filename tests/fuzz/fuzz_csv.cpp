// SPDX-License-Identifier: Apache-2.0
// CSV rows, dense and sparse, whole and in small batches: all ways must agree. The first byte picks options.
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "formats/row_reader.h"

namespace {

using namespace clary::formats;

/// The rows, or nothing when they are malformed.
bool read(std::string_view text, const ReadOptions& options, const char* type, std::int64_t batch_rows, Batch& all) {
  try {
    const auto reader = open_rows(std::as_bytes(std::span(text)), "fuzz", parse_content_type(type), options);
    Batch batch;
    while (reader->next(batch, batch_rows)) append_rows(all, batch, 0, batch.rows);
    return true;
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed && error.kind() != clary::Kind::kLimit) std::abort();
    return false;
  }
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {  // NaN equals NaN here
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  ReadOptions options;
  options.feature_dim = (data[0] & 1) != 0 ? 3 : 0;
  options.label_optional = (data[0] & 2) != 0;
  options.allow_non_finite = (data[0] & 4) != 0;
  options.missing_allowed = (data[0] & 8) != 0;
  if ((data[0] & 16) != 0) options.delimiter = ';';
  const char* const types[] = {"text/csv", "text/csv;label_size=0", "text/csv;label_size=2", "text/csv;header=present"};
  const char* type = types[data[0] >> 6];
  Batch whole, pieces, sparse;
  const bool good = read(text, options, type, 1 << 20, whole);
  if (read(text, options, type, 1, pieces) != good) std::abort();
  if (good && (!same(whole.values, pieces.values) || !same(whole.labels, pieces.labels))) std::abort();
  options.layout = Layout::kSparse;
  if (read(text, options, type, 7, sparse) != good) std::abort();
  if (good && sparse.rows != whole.rows) std::abort();
  return 0;
}
