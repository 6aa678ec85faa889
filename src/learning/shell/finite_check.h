// SPDX-License-Identifier: Apache-2.0
// The check between training and saving: a model that diverged is an error of the job, not an artifact whose endpoint
// cannot answer.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace clary::shell {

/// A model passes every array of learned numbers to it (Model::check_finite); each call reads the whole array.
class FiniteCheck {
 public:
  /// @param advice  what the user can change, in the imperative: "lower learning_rate"
  FiniteCheck(std::string_view algorithm, std::string_view advice) : algorithm_(algorithm), advice_(advice) {}

  /// @param name  of the array, as the artifact or the algorithm's README calls it
  /// @throws Error{kInvalid} naming the array, the first number in it that is not finite, and the advice
  void array(std::string_view name, std::span<const float> values) const;
  void array(std::string_view name, std::span<const double> values) const;
  void number(std::string_view name, double value) const { array(name, std::span(&value, 1)); }

 private:
  template <class T>
  void check(std::string_view name, std::span<const T> values) const;

  std::string algorithm_, advice_;
};

}  // namespace clary::shell
