// SPDX-License-Identifier: Apache-2.0
// The fastest way into the library: rows written in its own in-memory form (8-byte entries behind row offsets, the file
// format of XGDMatrixSaveBinary) through a pipe that XGDMatrixCreateFromFile reads. The library allocates the page once
// and reads into it; FromDense and FromCSR pass over the data twice and take two to four times as long. The form is not
// assumed but learnt: a matrix of one number is saved and taken as the pattern; a library with another form is noticed
// there, and the caller goes the slow way.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "algorithms/xgboost/library/library.h"

namespace clary::xgboost {

/// One number of a row, as the library keeps it.
struct Entry {
  std::uint32_t column;
  float value;
};

class PageStream {
 public:
  explicit PageStream(int fd) : fd_(fd) {}
  /// @throws Error{kCancelled} when the library has stopped reading
  void write(const void* bytes, std::size_t size);
  void write(std::span<const Entry> entries) { write(entries.data(), entries.size_bytes()); }

 private:
  int fd_;
};

struct PageShape {
  std::int64_t rows = 0, columns = 0, entries = 0;
};

/// True when streams can be used: the library has the known form, and this process is not one of several that train
/// together (the library would split the file among them).
/// @param threads  that the job may use: a streamed matrix is worked on by as many as the process has CPUs, no fewer
bool can_stream_pages(int threads);

/// @param write_offsets  writes rows + 1 numbers of 64 bits, the first 0, the last shape.entries
/// @param write_entries  then writes shape.entries entries, ascending columns in a row, no NaN
/// Both run on a thread of their own while the library reads.
Matrix matrix_from_stream(const PageShape& shape, const std::function<void(PageStream&)>& write_offsets,
                          const std::function<void(PageStream&)>& write_entries);

}  // namespace clary::xgboost
