// SPDX-License-Identifier: Apache-2.0
#include "platform/telemetry/metric_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

#include "base/error.h"
#include "base/text.h"

namespace clary::telemetry {

namespace {

// Version 0.1.0 let several processes write one file, where the next line follows a cut one on the same line. What is
// left of such a pair has more than six fields, or a time of more than 13 digits (a date behind the year 2286).
constexpr std::size_t kFields = 6;
constexpr EpochMs kTimeLimit = 10'000'000'000'000;
constexpr double kNumberLimit = 0x1p800;  // 2^360 values of 2^360 each, with room for sums of such points

template <class Number>
bool parse(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<MetricPoint> parse_point(std::string_view line) {
  const std::vector<std::string_view> fields = split(line, ' ');
  if (fields.size() != kFields) return std::nullopt;
  MetricPoint point;
  if (!parse(fields[0], point.time) || point.time < 0 || point.time >= kTimeLimit) return std::nullopt;
  std::size_t at = 1;
  for (double* number : {&point.sum, &point.minimum, &point.maximum, &point.count})
    if (!parse(fields[at++], *number) || !(std::fabs(*number) < kNumberLimit)) return std::nullopt;
  const auto name = percent_decoded(fields[at]);
  if (!name || name->empty()) return std::nullopt;
  point.name = *name;
  return point;
}

}  // namespace

MetricWriter::MetricWriter(const std::filesystem::path& file) : file_(file) {
  std::filesystem::create_directories(file.parent_path());
  fd_ = open_file(file, O_WRONLY | O_CREAT | O_APPEND);
}

void MetricWriter::append(const std::vector<MetricPoint>& points) {
  std::ostringstream text;
  text.precision(17);
  for (const MetricPoint& p : points)
    text << p.time << ' ' << p.sum << ' ' << p.minimum << ' ' << p.maximum << ' ' << p.count << ' '
         << percent_encoded(p.name) << '\n';
  write_all(fd_.get(), text.str(), file_.string());
}

MetricChunk read_points(const std::filesystem::path& file, std::uint64_t begin, std::size_t max_bytes) {
  MetricChunk chunk{{}, begin};
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return chunk;
  std::string text(max_bytes, '\0');
  const ssize_t size = fd ? ::pread(fd.get(), text.data(), text.size(), static_cast<off_t>(begin)) : -1;
  if (size < 0) throw_errno(file.string());
  text.resize(static_cast<std::size_t>(size));
  // No agent writes a line of max_bytes: such bytes (of a disk that lost power) are passed over.
  const std::size_t whole = text.size() == max_bytes && text.find('\n') == std::string::npos
                                ? max_bytes
                                : text.find_last_of('\n') + 1;  // npos + 1 == 0
  chunk.end += whole;
  for (const std::string_view line : split(std::string_view(text).substr(0, whole), '\n'))
    if (auto point = parse_point(line)) chunk.points.push_back(std::move(*point));
  return chunk;
}

}  // namespace clary::telemetry
