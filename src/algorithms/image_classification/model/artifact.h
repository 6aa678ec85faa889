// SPDX-License-Identifier: Apache-2.0
// The model artifact: the service's three files (image-classification-symbol.json, -NNNN.params, model-shapes.json),
// and beside them model.json (what the three do not say), model.onnx and, on request, model.safetensors. What the
// service itself wrote is loaded too; it has the three only.
#pragma once

#include <cstdint>
#include <filesystem>

#include "algorithms/image_classification/model/resnet.h"
#include "base/json.h"
#include "learning/nn/network.h"
#include "learning/nn/parameters.h"

namespace clary::image_classification {

struct SaveOptions {
  std::int64_t epoch = 1;  // from 1: the number in the name of the .params file, and model.json's best_epoch
  std::int64_t batch = 1;  // N of model-shapes.json
  nn::Loss loss = nn::Loss::kSoftmax;
  Json metadata = Json::object();  // class names, preprocessing, hyperparameters, metrics: members of model.json
  bool safetensors = false;
};

/// Writes every file of the artifact; .params files of other epochs stay. @throws Error{kLimit} above ONNX's 2 GiB
void save(const std::filesystem::path& dir, const Description& description, const nn::Parameters& parameters,
          const SaveOptions& options);

/// image-classification-NNNN.params in that folder
std::filesystem::path params_path(const std::filesystem::path& dir, std::int64_t epoch);

/// Only image-classification-NNNN.params, for an epoch that is not the best one. @return its path
std::filesystem::path save_parameters(const std::filesystem::path& dir, const Description& description,
                                      const nn::Parameters& parameters, std::int64_t epoch);

/// For a best epoch that another has replaced.
void remove_parameters(const std::filesystem::path& dir, std::int64_t epoch);

struct LoadedModel {
  Description description;
  nn::Loss loss = nn::Loss::kSoftmax;
  nn::Parameters parameters;
  std::int64_t epoch = 0;  // whose parameters they are
  Json metadata;           // model.json; null when there is none
};

/// The epoch that model.json names as the best, else the one with the highest number.
/// @throws Error{kNotFound} naming the file that is missing; Error{kMalformed}
LoadedModel load(const std::filesystem::path& dir);

}  // namespace clary::image_classification
