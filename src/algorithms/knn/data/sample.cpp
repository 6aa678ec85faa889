// SPDX-License-Identifier: Apache-2.0
// See sample.h.
#include "algorithms/knn/data/sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include "base/error.h"

namespace clary::knn {
namespace {

// Different streams: hosts must not draw the same slots.
// Streams 1 to 3 are the projections'; one stream a host from here on.
constexpr std::uint64_t kFirstStream = 1000;

template <class T>
void put_values(std::string& out, const T* values, std::size_t count) {
  out.append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

/// Reads from the front of `bytes`.
template <class T>
void take_values(std::string_view& bytes, T* values, std::size_t count) {
  if (bytes.size() / sizeof(T) < count) throw Error(Kind::kMalformed, "knn: sample of another host is cut short");
  if (count != 0) std::memcpy(values, bytes.data(), count * sizeof(T));
  bytes.remove_prefix(count * sizeof(T));
}

struct Header {
  std::int64_t rows, width, seen, has_uids;
};

}  // namespace

std::int64_t share_of_sample(std::int64_t sample_size, int hosts, int rank) {
  if (sample_size == 0) return Reservoir::kUnlimited;
  return sample_size / hosts + (rank < sample_size % hosts ? 1 : 0);
}

Reservoir::Reservoir(std::int64_t capacity, std::uint64_t seed, int rank, std::int64_t expected)
    : capacity_(capacity), expected_(expected), random_(seed, kFirstStream + static_cast<std::uint64_t>(rank)) {}

// Reservoir sampling, algorithm R (Vitter 1985): the first `capacity` rows are kept, row i (from 0) then replaces a
// random kept row with probability capacity / (i + 1). Rows beyond the capacity are decoded but not copied.
void Reservoir::add(const formats::Batch& rows) {
  if (sample_.seen == 0) {
    sample_.vectors = Vectors(rows.width);
    sample_.vectors.reserve(std::min(expected_, capacity_));
  }
  const std::int64_t room = capacity_ - sample_.rows();
  const std::int64_t whole = std::min(room, rows.rows);
  if (whole > 0) {
    sample_.vectors.append({rows.values.data(), static_cast<std::size_t>(whole * rows.width)});
    sample_.labels.insert(sample_.labels.end(), rows.labels.begin(), rows.labels.begin() + whole);
    for (std::int64_t r = 0; r < whole; ++r) sample_.positions.push_back(sample_.seen + r);
    // Either all rows have a uid entry or none has: the vector is filled up with empty ones at the first uid.
    if (!rows.uids.empty() || !sample_.uids.empty()) {
      sample_.uids.resize(static_cast<std::size_t>(sample_.rows() - whole));  // rows so far had none
      for (std::int64_t r = 0; r < whole; ++r) {
        sample_.uids.push_back(rows.uids.empty() ? "" : rows.uids[static_cast<std::size_t>(r)]);
      }
    }
    sample_.seen += whole;
  }
  for (std::int64_t r = whole; r < rows.rows; ++r) {
    const auto slot = static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(sample_.seen) + 1));
    if (slot < capacity_) put(slot, rows, r);
    ++sample_.seen;
  }
}

void Reservoir::put(std::int64_t slot, const formats::Batch& rows, std::int64_t row) {
  const auto s = static_cast<std::size_t>(slot), r = static_cast<std::size_t>(row);
  sample_.vectors.set_row(slot, rows.row(row));
  sample_.labels[s] = rows.labels[r];
  sample_.positions[s] = sample_.seen;
  if (!rows.uids.empty() || !sample_.uids.empty()) {
    sample_.uids.resize(sample_.labels.size());
    sample_.uids[s] = rows.uids.empty() ? "" : rows.uids[r];
  }
}

// For hosts of one job, all of the same machine type: plain memory, no byte order.
std::string to_bytes(const Sample& sample) {
  const Header header{sample.rows(), sample.vectors.width(), sample.seen, sample.uids.empty() ? 0 : 1};
  std::string out;
  const auto rows = static_cast<std::size_t>(header.rows);
  out.reserve(sizeof(header) + rows * (static_cast<std::size_t>(header.width) * 4 + 12));
  put_values(out, &header, 1);
  put_values(out, sample.vectors.data(), rows * static_cast<std::size_t>(header.width));
  put_values(out, sample.labels.data(), rows);
  put_values(out, sample.positions.data(), rows);
  for (const std::string& uid : sample.uids) {
    const auto size = static_cast<std::uint64_t>(uid.size());
    put_values(out, &size, 1);
    out += uid;
  }
  return out;
}

Sample sample_from_bytes(std::string_view bytes) {
  Header header{};
  take_values(bytes, &header, 1);
  const auto size = static_cast<std::int64_t>(bytes.size());
  // Divisions, so that hostile counts cannot overflow before the sizes are compared.
  if (header.rows < 0 || header.width < 0 || header.rows > size || header.width > size ||
      (header.rows > 0 && header.width > size / 4 / header.rows)) {
    throw Error(Kind::kMalformed, "knn: sample of another host has a header that does not fit its size");
  }
  Sample out;
  out.seen = header.seen;
  out.vectors = Vectors(header.rows, header.width);
  const auto rows = static_cast<std::size_t>(header.rows);
  take_values(bytes, out.vectors.data(), rows * static_cast<std::size_t>(header.width));
  out.labels.resize(rows);
  take_values(bytes, out.labels.data(), rows);
  out.positions.resize(rows);
  take_values(bytes, out.positions.data(), rows);
  for (std::size_t r = 0; header.has_uids != 0 && r < rows; ++r) {
    std::uint64_t length = 0;
    take_values(bytes, &length, 1);
    if (length > bytes.size()) throw Error(Kind::kMalformed, "knn: sample of another host is cut short");
    out.uids.emplace_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  return out;
}

void append(Sample& all, Sample more) {
  if (all.rows() == 0) {
    // A first part without rows still counts as seen.
    more.seen += all.seen;
    for (std::int64_t& position : more.positions) position += all.seen;
    all = std::move(more);
    return;
  }
  if (more.rows() > 0 && more.vectors.width() != all.vectors.width()) {
    throw Error(Kind::kInvalid, fmt::format("knn: feature_dim: one host read rows of {} features, another of {}",
                                            all.vectors.width(), more.vectors.width()));
  }
  if (!all.uids.empty() || !more.uids.empty()) {
    all.uids.resize(static_cast<std::size_t>(all.rows()));
    more.uids.resize(static_cast<std::size_t>(more.rows()));
    std::move(more.uids.begin(), more.uids.end(), std::back_inserter(all.uids));
  }
  all.vectors.append({more.vectors.data(), static_cast<std::size_t>(more.vectors.rows() * more.vectors.width())});
  all.labels.insert(all.labels.end(), more.labels.begin(), more.labels.end());
  // Rows are numbered over all hosts, in rank order.
  for (const std::int64_t position : more.positions) all.positions.push_back(position + all.seen);
  all.seen += more.seen;
}

}  // namespace clary::knn
