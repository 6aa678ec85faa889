// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/data/labels.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace clary::image_classification {
namespace {

constexpr std::size_t kMaxLabelBytes = std::size_t{1} << 20;

[[noreturn]] void fail(const std::string& problem) { throw Error(Kind::kInvalid, problem); }

std::int64_t class_of(const LabelForm& form, float label) {
  if (!(label >= 0) || label >= static_cast<float>(form.classes) || label != std::floor(label))
    fail(fmt::format("label {} is not one of the classes 0 to {} (num_classes {})", label, form.classes - 1,
                     form.classes));
  return static_cast<std::int64_t>(label);
}

float number_of(const Json& value) {
  if (value.is_number()) return value.get<float>();
  if (value.is_string()) {  // a number that was written as text
    const Json inner = parse_json(trimmed(value.get_ref<const std::string&>()));
    if (inner.is_number()) return inner.get<float>();
  }
  throw Error(Kind::kMalformed,
              fmt::format("the label {} is neither a number nor a list of numbers", dump_json(value).substr(0, 100)));
}

}  // namespace

void set_labels(const LabelForm& form, std::span<const float> given, std::vector<float>& out) {
  if (!form.multi_label) {
    if (given.size() != 1) fail(fmt::format("{} labels, but multi_label is 0: one is allowed", given.size()));
    out.assign(1, static_cast<float>(class_of(form, given[0])));
    return;
  }
  if (form.class_ids) {
    out.assign(form.size(), 0);
    for (const float label : given) out[static_cast<std::size_t>(class_of(form, label))] = 1;
    return;
  }
  if (given.size() != form.size())
    fail(fmt::format("{} labels, but multi_label wants 0 or 1 for each of {} classes", given.size(), form.classes));
  for (const float label : given)
    if (label != 0 && label != 1) fail(fmt::format("label {} is neither 0 nor 1 (multi_label)", label));
  out.assign(given.begin(), given.end());
}

std::vector<float> parse_label_text(std::string_view text, bool& is_list) {
  if (text.size() > kMaxLabelBytes) throw Error(Kind::kLimit, fmt::format("a label of {} bytes", text.size()));
  Json value = parse_json(trimmed(text));
  if (value.is_string()) value = parse_json(trimmed(value.get<std::string>()));
  is_list = value.is_array();
  if (!is_list) return {number_of(value)};
  std::vector<float> out;
  for (const Json& item : value) out.push_back(number_of(item));
  return out;
}

}  // namespace clary::image_classification
