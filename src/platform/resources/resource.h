// SPDX-License-Identifier: Apache-2.0
// What the control plane keeps of one resource, whatever its kind: a name, an ARN, times, a status, and a JSON document
// with the rest, whose members belong to the code of that kind.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/time.h"

namespace clary::resources {

enum class ResourceKind { kTrainingJob, kTransformJob, kModel, kEndpointConfig, kEndpoint };

struct KindRow {
  ResourceKind kind;
  std::string_view word;         // in ARNs, and in the table's column `kind`
  std::string_view name_column;  // what a list by name follows: `folded` ignores case, `name` does not
  std::string_view tie_column;   // orders rows whose sort values are equal: `id` by age, or `name`
};

// Clients keep paging tokens, and a token holds a place in the order of its list: the last two columns cannot change.
inline constexpr auto kKinds = std::to_array<KindRow>({
    {ResourceKind::kTrainingJob, "training-job", "folded", "id"},
    {ResourceKind::kTransformJob, "transform-job", "name", "name"},
    {ResourceKind::kModel, "model", "name", "name"},
    {ResourceKind::kEndpointConfig, "endpoint-config", "name", "name"},
    {ResourceKind::kEndpoint, "endpoint", "name", "name"},
});

constexpr const KindRow& row_of(ResourceKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

constexpr bool kinds_are_in_enum_order() {
  for (std::size_t i = 0; i < kKinds.size(); ++i)
    if (static_cast<std::size_t>(kKinds[i].kind) != i) return false;
  return true;
}
static_assert(kinds_are_in_enum_order(), "kKinds: one row per ResourceKind, in enum order");

/// The kind that "arn:aws:sagemaker:<region>:<account>:<word>/<name>" names, whether or not there is such a resource.
std::optional<ResourceKind> kind_of_arn(std::string_view arn);

struct Resource {
  std::string name, arn;
  EpochMs created = 0, modified = 0;
  std::string status;  // "" for kinds that have none
  Json body = Json::object();
  std::int64_t id = 0;  // given at insertion: ascending over all kinds, never twice
};

}  // namespace clary::resources
