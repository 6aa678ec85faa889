// SPDX-License-Identifier: Apache-2.0
// Labels as they come (one number, a vector of 0 and 1, a list of classes, JSON text) to labels as they are learned.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace clary::image_classification {

struct LabelForm {
  std::int64_t classes = 0;
  bool multi_label = false;
  bool class_ids = false;  // multi-label vectors name classes (label-format=class-id); else 0 and 1 for every class

  std::size_t size() const { return multi_label ? static_cast<std::size_t>(classes) : 1; }
};

/// Replaces `out` by the label in the form of Batch::labels: [1] or [classes].
/// @throws Error{kInvalid} that names the value and the rule, not the picture
void set_labels(const LabelForm& form, std::span<const float> given, std::vector<float>& out);

/// The numbers of a label attribute of an augmented manifest: 1, "1", 1.0, [1, 0, 1], "[1, 0, 1]".
/// @param is_list  becomes whether it was a list
/// @throws Error{kMalformed}
std::vector<float> parse_label_text(std::string_view text, bool& is_list);

}  // namespace clary::image_classification
