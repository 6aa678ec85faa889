// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/topology_text.h"

#include <fmt/format.h>

#include <string>

#include "base/error.h"

namespace clary::image_classification {
namespace {

constexpr const char *kPre = "pre-activation", *kPost = "post-activation", *kEvery = "every-stage",
                     *kWhere = "where-shape-changes";

[[noreturn]] void malformed(const std::string& rule) { throw Error(Kind::kMalformed, "topology: " + rule); }

bool is_first(const Json& json, const char* key, const char* first, const char* second) {
  const Json value = json.value(key, Json());
  if (value != first && value != second) malformed(fmt::format("{} is neither {} nor {}", key, first, second));
  return value == first;
}

}  // namespace

Json topology_json(const Topology& t) {
  return {{"order", t.order == Topology::Order::kPreActivation ? kPre : kPost},
          {"projection", t.projection == Topology::Projection::kEveryStage ? kEvery : kWhere},
          {"stride_in_first_convolution", t.stride_in_first_convolution},
          {"epsilon", std::stod(fmt::format("{}", t.epsilon))}};  // 2e-05, not the float's 1.9999999494757503e-05
}

Topology topology_of(const Json& json) {
  if (!json.is_object()) malformed("it is no object");
  const Json stride = json.value("stride_in_first_convolution", Json()), epsilon = json.value("epsilon", Json());
  if (!stride.is_boolean()) malformed("stride_in_first_convolution is neither true nor false");
  if (!epsilon.is_number() || !(epsilon.get<double>() > 0) || epsilon.get<double>() > 1)
    malformed("epsilon is not between 0 and 1");
  return {.order =
              is_first(json, "order", kPre, kPost) ? Topology::Order::kPreActivation : Topology::Order::kPostActivation,
          .projection = is_first(json, "projection", kEvery, kWhere) ? Topology::Projection::kEveryStage
                                                                     : Topology::Projection::kWhereShapeChanges,
          .stride_in_first_convolution = stride.get<bool>(),
          .epsilon = epsilon.get<float>()};
}

}  // namespace clary::image_classification
