// SPDX-License-Identifier: Apache-2.0
// A trained k-NN model: index, labels, ids, and the artifact that holds them (README.md). Immutable; predict() from any
// thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/knn/model/index.h"
#include "algorithms/knn/model/metadata.h"
#include "algorithms/knn/model/preparation.h"
#include "formats/batch.h"
#include "learning/numeric/team.h"
#include "learning/shell/finite_check.h"
#include "learning/shell/predictions.h"
#include "learning/shell/serve_request.h"

namespace clary::knn {

/// The k nearest of each query, best first; id -1 where there are fewer.
struct Neighbours {
  std::int64_t queries = 0, k = 0;
  std::vector<float> distances;   // [queries, k]
  std::vector<std::int64_t> ids;  // [queries, k]: place in the index
};

class Model {
 public:
  /// What a host that does not build the index returns; cannot predict or save.
  Model() = default;
  Model(Metadata metadata, std::shared_ptr<numeric::Team> pool, Preparation preparation, Index index,
        std::vector<float> labels, std::vector<std::int64_t> positions, std::vector<std::string> uids);

  void save(const std::filesystem::path& dir) const;
  void check_finite(const shell::FiniteCheck& check) const;
  /// Also archives that another program wrote in the published layout. @throws Error{kMalformed} naming file and fault
  static Model load(const std::filesystem::path& dir);

  /// serve/predict.cpp. @throws Error{kMalformed | kInvalid} for rows or options that cannot be answered
  shell::Predictions predict(const formats::Batch& rows, const shell::ServeRequest& request) const;
  /// Features a request row must have; 0 when the artifact does not say exactly.
  std::int64_t feature_dim() const { return metadata_.feature_dim; }

  const Metadata& metadata() const noexcept { return metadata_; }
  const Index& index() const { return parts_->index; }
  std::int64_t default_probes() const { return parts_->index.options().nprobe; }

  /// @param rows  dense, of the width the model takes. k above rows() means all rows
  Neighbours neighbours(Vectors rows, std::int64_t k, std::int64_t nprobe) const;
  Vectors prepared(Vectors rows) const { return parts_->preparation.apply(std::move(rows), *pool_); }
  Neighbours neighbours_of_prepared(const Vectors& rows, std::int64_t k, std::int64_t nprobe) const;

  std::int64_t rows() const { return static_cast<std::int64_t>(labels_.size()); }
  float label(std::int64_t id) const { return labels_[static_cast<std::size_t>(id)]; }
  /// Record.uid of the row, or its position in the training input.
  std::string id_text(std::int64_t id) const;

  static constexpr const char* kIndexFile = "model_algo-1";
  static constexpr const char* kLabelsFile = "model_algo-1.labels";
  static constexpr const char* kMetadataFile = "model_algo-1.json";
  static constexpr const char* kIdsFile = "model_algo-1.ids";
  static constexpr const char* kUidsFile = "model_algo-1.uids";

 private:
  struct Parts {
    Preparation preparation;
    Index index;
  };
  void check_width(std::int64_t width) const;

  Metadata metadata_;
  std::shared_ptr<numeric::Team> pool_;  // outlives the index, which uses it
  std::shared_ptr<const Parts> parts_;
  std::vector<float> labels_;
  std::vector<std::int64_t> positions_;  // empty: 0 .. rows - 1
  std::vector<std::string> uids_;        // empty, or one per row
};

}  // namespace clary::knn
