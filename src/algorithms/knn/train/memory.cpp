// SPDX-License-Identifier: Apache-2.0
// See memory.h.
#include "algorithms/knn/train/memory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/error.h"
#include "base/files.h"

namespace clary::knn {
namespace {

bool is_gzip(const std::filesystem::path& path) {
  const UniqueFd fd = open_file(path, O_RDONLY | O_CLOEXEC);
  std::array<unsigned char, 2> magic{};
  return ::read(fd.get(), magic.data(), magic.size()) == 2 && magic[0] == 0x1F && magic[1] == 0x8B;
}

}  // namespace

const char* const kMemoryAdvice =
    "choose a larger instance type, use dimension reduction, decrease sample_size, and/or decrease mini_batch_size.";

std::optional<std::int64_t> most_rows(const std::vector<formats::InputFile>& files, formats::Format format,
                                      std::int64_t width) {
  if (width < 1) return std::nullopt;
  std::int64_t bytes = 0;
  for (const formats::InputFile& file : files) {
    if (is_gzip(file.path)) return std::nullopt;
    bytes += static_cast<std::int64_t>(std::filesystem::file_size(file.path));
  }
  // A number and its separator take at least two bytes in CSV, a value four in RecordIO. This bounds dense rows; the
  // memory of sparse ones is checked as they come.
  if (format == formats::Format::kCsv) return bytes / (2 * width) + 1;
  return bytes / (4 * width) + 1;
}

void require_memory(std::int64_t rows, std::int64_t width, std::int64_t available) {
  const double wanted = static_cast<double>(rows) * static_cast<double>(width) * sizeof(float);
  if (wanted <= static_cast<double>(available)) return;
  throw Error(Kind::kInvalid,
              fmt::format("knn: sample_size: {} rows of {} features need {:.0f} bytes, {} are available; {}", rows,
                          width, wanted, available, kMemoryAdvice));
}

}  // namespace clary::knn
