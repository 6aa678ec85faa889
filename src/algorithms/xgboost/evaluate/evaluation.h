// SPDX-License-Identifier: Apache-2.0
// The evaluation line of a round: the library's metrics and this program's own on the train and validation channels, in
// the form that the image's container prints and that tuning jobs and users' regexes read. All values keep full
// precision until they are printed.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/xgboost/evaluate/metrics.h"
#include "algorithms/xgboost/hyperparameters.h"
#include "algorithms/xgboost/library/library.h"

namespace clary::xgboost {

struct Entry {
  std::string channel, metric;  // "validation", "rmse"
  double value = 0;

  friend bool operator==(const Entry&, const Entry&) = default;
};

/// "[0]\ttrain-rmse:8.07339000701904297\tvalidation-rmse:8.1". @throws Error{kInternal}
std::vector<Entry> parse_library_line(std::string_view line);

/// "[0]\ttrain-rmse:8.07339\tvalidation-rmse:8.16783": five decimals since tag 1.3, six digits before.
std::string format_line(int round, std::span<const Entry> entries, Tag tag);
/// The entries whose metric carries an argument that its published regex does not have, without it:
/// tweedie-nloglik@1.5 -> tweedie-nloglik. Empty for all others.
std::vector<Entry> plain_names(std::span<const Entry> entries);

class Evaluator {
 public:
  /// @param communicator  null on one host; own metrics add up over its members
  Evaluator(const Hyperparameters& hp, std::vector<const Matrix*> matrices, Communicator* communicator);

  /// Metrics as the library wants them: without own ones, tweedie-nloglik with its argument. None: the objective's
  /// default, which is named here where the tag's version had another one than the library.
  static std::vector<std::string> library_metrics(const Hyperparameters& hp, Tag tag);

  /// Train before validation; metrics as given, the objective's default first when only own ones were given. A
  /// collective call.
  std::vector<Entry> evaluate(Booster& booster, int round);

 private:
  std::vector<double> own_values(const Booster& booster, const Matrix& matrix, std::span<const float> labels);

  std::vector<const Matrix*> matrices_;
  std::vector<std::string> channels_;
  std::vector<std::vector<float>> labels_;  // only when own_ is not empty
  std::vector<std::string> own_, given_;
  Link link_ = Link::kIdentity;
  Communicator* communicator_;
};

}  // namespace clary::xgboost
