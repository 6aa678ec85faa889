// SPDX-License-Identifier: Apache-2.0
// A network ready to be asked: bytes of picture files to probabilities. Many threads may call at once; a call uses its
// own thread alone.
// Letters: K classes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "algorithms/image_classification/model/model.h"
#include "learning/nn/predictor.h"

namespace clary::image_classification {

/// Choices of whoever deploys a model, as environment variables of it.
struct ServeOptions {
  Preprocess preprocess = Preprocess::kStretch;                   // CLARY_INFERENCE_PREPROCESS, else the model's
  nn::ServedPrecision precision = nn::ServedPrecision::kFloat32;  // CLARY_INFERENCE_PRECISION
  bool batch = false;  // SAGEMAKER_BATCH: a transform job, whose answers are lines without being asked
};

/// @throws Error{kInvalid} naming variable, value and the values there are
ServeOptions serve_options_from_environment(Preprocess of_model);

class Predictions {
 public:
  Predictions(const Model& model, const ServeOptions& options);

  /// @param pixels_left  that may still be decoded for this request; lowered by the picture's
  /// @return [K]: softmax, or a sigmoid per class
  /// @throws Error{kMalformed} for bytes that are no picture, Error{kLimit} for one that is too large
  std::vector<float> probabilities(std::span<const std::byte> file, std::int64_t& pixels_left) const;

  const ServeOptions& options() const { return options_; }
  /// The class's name, or its number.
  std::string name_of(std::int64_t c) const;

 private:
  void prepare(std::span<const std::byte> file, std::int64_t& pixels_left, std::span<std::uint8_t> out) const;

  ServeOptions options_;
  nn::Predictor predictor_;
  nn::MapShape image_;
  nn::Loss loss_;
  std::optional<std::int64_t> resize_;
  std::vector<std::string> class_names_;
};

}  // namespace clary::image_classification
