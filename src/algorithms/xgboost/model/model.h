// SPDX-License-Identifier: Apache-2.0
// A trained model, alone or an ensemble of several files: saved as the image tag wants it, loaded from whatever users
// bring, and answering requests as the published container does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/xgboost/library/library.h"
#include "learning/shell/finite_check.h"
#include "learning/shell/serve_request.h"
#include "learning/shell/train_context.h"

namespace clary::xgboost {

class Responder;

/// Name of the one file in model.tar.gz; k-fold writes xgboost-model-0, -1, ...
inline constexpr const char* kModelFileName = "xgboost-model";

class Model {
 public:
  Model();
  /// One booster, or the folds of a cross-validation in their order.
  explicit Model(std::vector<Booster> boosters);
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  /// Writes xgboost-model (several boosters: xgboost-model-<i>), each whole or not at all, in the form of the image tag
  /// (contract::image_from_environment).
  void save(const std::filesystem::path& dir) const;
  /// The same where this host has a model to write: on several hosts only one has.
  void save(const std::filesystem::path& dir, const shell::TrainContext&) const {
    if (!boosters_.empty()) save(dir);
  }
  void check_finite(const shell::FiniteCheck& check) const;
  /// Every file of the folder that is not hidden. @throws Error{kInvalid} "Unable to load model: ..."
  static Model load(const std::filesystem::path& dir);

  /// Answers one request of a model that load() made. Thread-safe.
  shell::Answer answer(const shell::Invocation& invocation) const;

  const std::vector<Booster>& boosters() const noexcept { return boosters_; }

 private:
  std::vector<Booster> boosters_;
  std::unique_ptr<const Responder> responder_;  // of a loaded model; refers to boosters_' elements
};

}  // namespace clary::xgboost
