// SPDX-License-Identifier: Apache-2.0
// What a JSON or UBJSON model file says of itself, read before the library sees the file: libxgboost drops what it does
// not understand (a base_score in brackets becomes 0.5, without an error), and its own messages name its C++ functions.
// Layout: xgboost's "Introduction to Model IO", JSON schema. Needs no library, so that the fuzzer reaches it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace clary::xgboost {

/// Members that decide whether the library reads the file right. Texts are as written, "" when absent.
struct ModelDocument {
  std::string base_score;  // "5E-1"; since 3.1 a list, "[5E-1]"
  std::string objective, booster;
  std::string size_leaf_vector;  // "0" or "1": a number a leaf; above: multi_strategy=multi_output_tree of 2.0
  std::string num_class, num_target;
  std::vector<int> version;  // major, minor, patch
  bool has_model = false;    // learner.gradient_booster.model is there: trees, or a linear model's weights

  /// "3.1.0", or "an unknown version".
  std::string version_text() const;
  /// One number, or one for each class or target, on the scale of the predictions.
  /// @throws Error{kMalformed} naming base_score and its value
  std::vector<float> base_scores() const;
};

/// True for the first bytes of JSON and of UBJSON objects.
bool is_model_document(std::string_view bytes);

/// A model ({"learner": ...}) or a snapshot ({"Model": ..., "Config": ...}), which Python pickles since 1.6.
/// @throws Error{kMalformed} with the byte where the text ends or is damaged, or when a member is missing
ModelDocument read_model_document(std::string_view bytes);

}  // namespace clary::xgboost
