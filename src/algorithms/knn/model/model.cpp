// SPDX-License-Identifier: Apache-2.0
// See model.h. predict() is in serve/predict.cpp.
#include "algorithms/knn/model/model.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
#include "learning/numeric/threads.h"

namespace clary::knn {
namespace {

constexpr std::uint64_t kMaxMetadataBytes = 1 << 20;
constexpr std::uint64_t kMaxFileBytes = 1ULL << 40;

// Raw float32 or int64 in the machine's order (little-endian): NumPy reads them with fromfile().
template <class T>
void write_values(const std::filesystem::path& path, const std::vector<T>& values) {
  const UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
  write_all(fd.get(), std::as_bytes(std::span(values)), path.string());
}

template <class T>
std::vector<T> read_values(const std::filesystem::path& path, std::int64_t count) {
  const std::string bytes = read_file(path, kMaxFileBytes);
  if (bytes.size() != static_cast<std::size_t>(count) * sizeof(T)) {
    throw Error(Kind::kMalformed,
                fmt::format("{}: {} bytes, must be {} for the {} vectors of the index", path.filename().string(),
                            bytes.size(), static_cast<std::size_t>(count) * sizeof(T), count));
  }
  std::vector<T> out(static_cast<std::size_t>(count));
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
  return out;
}

/// One JSON string per line, so that any text survives.
void write_uids(const std::filesystem::path& path, const std::vector<std::string>& uids) {
  std::string text;
  for (const std::string& uid : uids) text += dump_json(uid) + "\n";
  // No fsync: the folder is packed into the archive by the server, which makes that durable.
  const UniqueFd fd = open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
  write_all(fd.get(), text, path.string());
}

std::vector<std::string> read_uids(const std::filesystem::path& path, std::int64_t count) {
  const std::string text = read_file(path, kMaxFileBytes);
  std::vector<std::string> out;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const Json value = parse_json(rest.substr(0, end));
    if (!value.is_string()) {
      throw Error(Kind::kMalformed,
                  fmt::format("{}: line {}: must be a JSON string", path.filename().string(), out.size() + 1));
    }
    out.push_back(value.get<std::string>());
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (static_cast<std::int64_t>(out.size()) != count) {
    throw Error(Kind::kMalformed, fmt::format("{}: {} lines, must be {}, one per vector of the index",
                                              path.filename().string(), out.size(), count));
  }
  return out;
}

std::filesystem::path required(const std::filesystem::path& dir, const char* name) {
  std::filesystem::path path = dir / name;
  if (!std::filesystem::is_regular_file(path)) {
    throw Error(Kind::kMalformed, fmt::format("model archive has no file {}", name));
  }
  return path;
}

bool is_identity(const std::vector<std::int64_t>& positions) {
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (positions[i] != static_cast<std::int64_t>(i)) return false;
  }
  return true;
}

// The matrix is not stored: seed, generator and sizes draw the same one again.
std::optional<Projection> projection_of(const Metadata& metadata) {
  if (!metadata.reduction) return std::nullopt;
  const ReductionMetadata& reduction = *metadata.reduction;
  return Projection(reduction.type, reduction.seed, reduction.input_dim, reduction.target_dim);
}

/// Metadata and index must speak of the same widths. Fills feature_dim where it follows from them.
void reconcile(Metadata& metadata, const IndexOptions& index) {
  const auto fail = [](const char* key, std::int64_t value, const std::string& rule) {
    throw Error(Kind::kMalformed, fmt::format("{}: {}: {}: must be {}", Model::kMetadataFile, key, value, rule));
  };
  if (metadata.reduction) {
    if (metadata.reduction->target_dim != index.width) {
      fail("target_dim", metadata.reduction->target_dim, fmt::format("the index's dimension, {}", index.width));
    }
    if (metadata.feature_dim != 0 && metadata.feature_dim != metadata.reduction->input_dim) {
      fail("feature_dim", metadata.feature_dim, fmt::format("input_dim, {}", metadata.reduction->input_dim));
    }
    metadata.feature_dim = metadata.reduction->input_dim;
  } else if (metadata.feature_dim == 0) {
    // Another program's IVFPQ index may be up to m - 1 wider than its rows: then any such width is taken.
    if (index.type != IndexType::kIvfPq) metadata.feature_dim = index.width;
  } else if (metadata.feature_dim > index.width || next_multiple(metadata.feature_dim, index.pq_m) != index.width) {
    fail("feature_dim", metadata.feature_dim, fmt::format("the index's dimension, {}", index.width));
  }
}

}  // namespace

Model::Model(Metadata metadata, std::shared_ptr<numeric::Team> pool, Preparation preparation, Index index,
             std::vector<float> labels, std::vector<std::int64_t> positions, std::vector<std::string> uids)
    : metadata_(std::move(metadata)),
      pool_(std::move(pool)),
      parts_(std::make_shared<const Parts>(Parts{std::move(preparation), std::move(index)})),
      labels_(std::move(labels)),
      // Rows 0, 1, 2, ... of a model that keeps every row need no table.
      positions_(is_identity(positions) ? std::vector<std::int64_t>() : std::move(positions)),
      uids_(std::move(uids)) {}

void Model::save(const std::filesystem::path& dir) const {
  std::filesystem::create_directories(dir);
  parts_->index.save(dir / kIndexFile);
  write_values(dir / kLabelsFile, labels_);
  if (!positions_.empty()) write_values(dir / kIdsFile, positions_);
  if (!uids_.empty()) write_uids(dir / kUidsFile, uids_);
  // Last, so that a folder with metadata has all the other files.
  const UniqueFd fd = open_file(dir / kMetadataFile, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
  write_all(fd.get(), to_json(metadata_), kMetadataFile);
}

void Model::check_finite(const shell::FiniteCheck& check) const {
  if (parts_ == nullptr) return;  // a host that does not build the index
  parts_->index.check_finite(check);
  check.array("labels", labels_);
}

Model Model::load(const std::filesystem::path& dir) {
  Metadata metadata = parse_metadata(read_file(required(dir, kMetadataFile), kMaxMetadataBytes), kMetadataFile);
  const auto index_path = required(dir, kIndexFile), labels_path = required(dir, kLabelsFile);
  // One team for all requests of this process; requests share its threads.
  auto pool = std::make_shared<numeric::Team>(numeric::available_threads(), numeric::Team::Shared());
  Index index = Index::load(index_path, *pool);
  if (index.rows() == 0) throw Error(Kind::kMalformed, fmt::format("{}: holds no vectors", kIndexFile));
  reconcile(metadata, index.options());
  auto labels = read_values<float>(labels_path, index.rows());
  const auto odd = std::find_if_not(labels.begin(), labels.end(), [](float label) { return std::isfinite(label); });
  if (odd != labels.end()) {
    throw Error(Kind::kMalformed,
                fmt::format("{}: label {} is {}, must be finite", kLabelsFile, odd - labels.begin(), *odd));
  }
  std::vector<std::int64_t> positions;
  if (std::filesystem::exists(dir / kIdsFile)) positions = read_values<std::int64_t>(dir / kIdsFile, index.rows());
  std::vector<std::string> uids;
  if (std::filesystem::exists(dir / kUidsFile)) uids = read_uids(dir / kUidsFile, index.rows());
  Preparation preparation(projection_of(metadata), index.options().width, metadata.normalize);
  return Model(std::move(metadata), std::move(pool), std::move(preparation), std::move(index), std::move(labels),
               std::move(positions), std::move(uids));
}

void Model::check_width(std::int64_t width) const {
  const std::int64_t wanted = feature_dim();
  const IndexOptions& index = parts_->index.options();
  // Unknown width (another program's IVFPQ): any width that m would raise to the index's.
  const bool fits = wanted != 0 ? width == wanted : width <= index.width && width > index.width - index.pq_m;
  if (!fits) {
    throw Error(Kind::kMalformed,
                fmt::format("a row has {} features, the model takes {}", width, wanted != 0 ? wanted : index.width));
  }
}

Neighbours Model::neighbours(Vectors rows, std::int64_t k, std::int64_t nprobe) const {
  check_width(rows.width());
  return neighbours_of_prepared(prepared(std::move(rows)), k, nprobe);
}

Neighbours Model::neighbours_of_prepared(const Vectors& rows, std::int64_t k, std::int64_t nprobe) const {
  Neighbours out;
  out.queries = rows.rows();
  out.k = std::min(k, this->rows());
  out.distances.resize(static_cast<std::size_t>(out.queries * out.k));
  out.ids.resize(out.distances.size());
  parts_->index.search(rows.data(), out.queries, out.k, nprobe, out.distances.data(), out.ids.data());
  return out;
}

std::string Model::id_text(std::int64_t id) const {
  const auto i = static_cast<std::size_t>(id);
  // uids of the rows that had none are empty: those are answered by position.
  if (!uids_.empty() && !uids_[i].empty()) return uids_[i];
  return std::to_string(positions_.empty() ? id : positions_[i]);
}

}  // namespace clary::knn
