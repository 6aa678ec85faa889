// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/hyperparameters.h"

#include "algorithms/xgboost/hyperparameter_table.h"

namespace clary::xgboost {

const Schema<Hyperparameters>& schema() {
  static const Schema<Hyperparameters> table = [] {
    std::vector<hyper::Field<Hyperparameters>> fields;
    for (const Row& row : rows()) {
      hyper::Field<Hyperparameters> field;
      field.spec = row.spec;
      field.assign = [](const hyper::FieldSpec&, std::string_view, Hyperparameters&) { return true; };
      field.shown = [fallback = row.fallback](const Hyperparameters&) { return fallback; };
      fields.push_back(std::move(field));
    }
    return Schema<Hyperparameters>("xgboost", std::move(fields));
  }();
  return table;
}

}  // namespace clary::xgboost
