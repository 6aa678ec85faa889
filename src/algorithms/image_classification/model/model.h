// SPDX-License-Identifier: Apache-2.0
// A trained network with what hosting needs: class names, how pictures are prepared, and the scores of its training;
// how it is saved, loaded and asked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/image_classification/model/resnet.h"
#include "base/json.h"
#include "learning/nn/parameters.h"
#include "learning/shell/finite_check.h"
#include "learning/shell/serve_request.h"

namespace clary::image_classification {

/// How a picture of a request becomes what the network reads.
enum class Preprocess {
  kStretch,    // to height x width, whatever its aspect: AWS's container
  kResizeCrop  // as the validation pictures were: the shorter side to `resize`, then the centre
};

class Predictions;  // serve/answer.cpp: the network ready to be asked

class Model {
 public:
  Description description;
  nn::Parameters parameters;
  bool multi_label = false;
  std::int64_t epoch = 1;              // from 1, the number in the file's name
  std::int64_t batch_size = 1;         // N in model-shapes.json
  std::optional<std::int64_t> resize;  // of the training: the shorter side before the crop
  Preprocess preprocess = Preprocess::kStretch;
  std::vector<std::string> class_names;  // by class; may be empty
  /// Largest value of each map that is 8-bit integers in int8 (nn::integer_maps), by the name of the operation; empty:
  /// not known, as in artifacts of other programs.
  std::map<std::string, float> calibration;
  Json metrics = Json::object();          // of the epoch, by name
  Json hyperparameters = Json::object();  // of the job

  /// image-classification-<epoch>.params, image-classification-symbol.json, model-shapes.json, model.json, model.onnx
  /// (README.md). Other epochs' params files that are in the folder stay.
  void save(const std::filesystem::path& dir) const;
  /// The params file alone. @return its path
  std::filesystem::path save_parameters(const std::filesystem::path& dir) const;

  /// Also artifacts of AWS's containers. Of several params files the one that model.json names, else the last epoch's.
  /// @throws Error{kNotFound} without one, Error{kMalformed, kLimit}
  static Model read(const std::filesystem::path& dir);
  /// Ready to answer, as the environment says (serve/predictions.h); its parameters are given to the predictor.
  /// @throws as read() does; Error{kInvalid} for a value of the environment
  static Model load(const std::filesystem::path& dir);

  void check_finite(const shell::FiniteCheck& check) const;

  /// One picture, or several in JSON (serve/answer.cpp). Needs load().
  shell::Answer answer(const shell::Invocation& invocation) const;

 private:
  std::shared_ptr<const Predictions> predictions_;
};

}  // namespace clary::image_classification
