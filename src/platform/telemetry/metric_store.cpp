// SPDX-License-Identifier: Apache-2.0
#include "platform/telemetry/metric_store.h"

#include <fcntl.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/files.h"
#include "platform/telemetry/names_on_disk.h"

namespace clary::telemetry {

namespace fs = std::filesystem;

namespace {

/// "name=value&name=value", each part percent-encoded.
std::string dimensions_text(const Dimensions& dimensions) {
  std::string out;
  for (const auto& [name, value] : dimensions)
    out += (out.empty() ? "" : "&") + percent_encoded(name) + "=" + percent_encoded(value);
  return out;
}

Dimensions parse_dimensions(std::string_view text) {
  Dimensions dimensions;
  for (const std::string_view pair : split(text, '&')) {
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    dimensions[percent_decoded(pair.substr(0, equals)).value_or("")] =
        percent_decoded(pair.substr(equals + 1)).value_or("");
  }
  return dimensions;
}

}  // namespace

void MetricPoint::fold(double value) {
  minimum = count == 0 ? value : std::min(minimum, value);
  maximum = count == 0 ? value : std::max(maximum, value);
  sum += value;
  count += 1;
}

MetricStore::MetricStore(fs::path root) : root_(std::move(root)) { fs::create_directories(root_); }

fs::path MetricStore::file(std::string_view metric_namespace, const Dimensions& dimensions) const {
  return root_ / entry_name(metric_namespace) / entry_name(dimensions_text(dimensions));
}

// Written by agents and by the server alike: a single append of whole lines, no lock. 17 digits bring a double back
// exactly.
void MetricStore::append_to(const fs::path& file, const std::vector<MetricPoint>& points) {
  std::ostringstream text;
  text.precision(17);
  for (const MetricPoint& p : points)
    text << p.time << ' ' << p.sum << ' ' << p.minimum << ' ' << p.maximum << ' ' << p.count << ' '
         << percent_encoded(p.name) << '\n';
  fs::create_directories(file.parent_path());
  const UniqueFd fd = open_file(file, O_WRONLY | O_CREAT | O_APPEND);
  write_all(fd.get(), text.str(), file.string());
}

void MetricStore::append(std::string_view metric_namespace, const Dimensions& dimensions,
                         const std::vector<MetricPoint>& points) const {
  append_to(file(metric_namespace, dimensions), points);
}

std::vector<MetricPoint> MetricStore::read_file(const fs::path& file) {
  std::vector<MetricPoint> points;
  if (!fs::exists(file)) return points;
  // The last line may be incomplete while an agent writes it.
  std::string text = clary::read_file(file);
  text.resize(text.find_last_of('\n') + 1);  // npos + 1 == 0
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    MetricPoint p;
    std::string name;
    // A line that does not parse (a torn write of a crash) is left out; the others count.
    if (fields >> p.time >> p.sum >> p.minimum >> p.maximum >> p.count >> name) {
      p.name = percent_decoded(name).value_or(name);
      points.push_back(std::move(p));
    }
  }
  return points;
}

std::vector<MetricPoint> MetricStore::read(std::string_view metric_namespace, const Dimensions& dimensions) const {
  return read_file(file(metric_namespace, dimensions));
}

// Reads every file of the namespace: names are in the lines. Metrics are few and this is an operator's query.
std::vector<MetricSeries> MetricStore::series(std::string_view metric_namespace) const {
  std::vector<MetricSeries> out;
  for (const auto& folder : fs::directory_iterator(root_)) {
    const auto space = name_of_entry(folder.path().filename().string());
    if (!space || (!metric_namespace.empty() && *space != metric_namespace)) continue;
    for (const auto& entry : fs::directory_iterator(folder.path())) {
      const Dimensions dimensions = parse_dimensions(name_of_entry(entry.path().filename().string()).value_or(""));
      std::map<std::string, bool> names;
      for (const MetricPoint& p : read_file(entry.path())) names[p.name] = true;
      for (const auto& [name, seen] : names) out.push_back({*space, dimensions, name});
    }
  }
  return out;
}

}  // namespace clary::telemetry
