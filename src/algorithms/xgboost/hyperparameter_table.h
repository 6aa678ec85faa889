// SPDX-License-Identifier: Apache-2.0
// The rows behind hyperparameters.h: names, forms, ranges, words; and what differs by tag.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/xgboost/tag.h"
#include "learning/hyper/field_spec.h"

namespace clary::xgboost {

enum class Form {
  kInteger,
  kReal,
  kWord,     // one of the row's words
  kWords,    // comma-separated words, each one of the row's
  kMetrics,  // the same of metric names, some with @threshold
  kSigns,    // (1, 0, -1)
  kGroups,   // [[1, 2], [3]]
  kText,
};

struct Row {
  Form form = Form::kText;
  hyper::FieldSpec spec;  // ranges of kInteger are in min and max too, as the message prints them
  std::string fallback;   // the library's default, for the manual
  bool passed = true;     // to the library, by this name

  Row about(std::string words) && { return spec.about = std::move(words), std::move(*this); }
  Row or_else(std::string text) && { return fallback = std::move(text), std::move(*this); }
  Row tunable(double low, double high) && {
    spec.tunable = true, spec.tunable_min = hyper::show(low), spec.tunable_max = hyper::show(high);
    return std::move(*this);
  }
  Row above_min() && { return spec.above_min = true, std::move(*this); }
  Row below_max() && { return spec.below_max = true, std::move(*this); }
  Row kept() && { return passed = false, std::move(*this); }  // the container's own; the library does not see it
  Row required() && { return spec.required = true, std::move(*this); }
  Row hidden() && { return spec.hidden = true, std::move(*this); }
};

const std::vector<Row>& rows();
const Row* find_row(std::string_view name);

/// learning_rate -> eta; the name itself when it is no alias.
std::string_view without_alias(std::string_view name);

/// False when the container of that tag does not know the name, or the word of a name.
bool tag_knows(Tag tag, std::string_view name, std::string_view word = {});

}  // namespace clary::xgboost
