// SPDX-License-Identifier: Apache-2.0
// What an invocation looks at: an immutable table from endpoint names to variants, swapped whole. A reader keeps what
// it loaded for as long as it needs it; nobody waits for anybody. Nothing in it belongs to the serving loop, so a
// reader may be the last owner of a route, and release it on any thread at any time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "platform/serving/backend.h"
#include "platform/serving/variant_metrics.h"

namespace clary::serving {

struct VariantRoute {
  std::string name;
  double weight = 1;
  std::string container;  // "primary", or the container's host name: for error texts
  std::shared_ptr<BackendSet> replicas;
  std::shared_ptr<VariantMetrics> metrics;
};

struct EndpointRoute {
  std::string name, region, account;
  std::vector<VariantRoute> variants;
  double total_weight = 0;

  const VariantRoute* variant(std::string_view wanted) const noexcept {
    for (const VariantRoute& v : variants)
      if (v.name == wanted) return &v;
    return nullptr;
  }

  /// The variant that a uniform draw from [0, 1) falls on; null when every weight is 0.
  const VariantRoute* draw(double uniform) const noexcept {
    double rest = uniform * total_weight;
    const VariantRoute* last = nullptr;
    for (const VariantRoute& v : variants) {
      if (v.weight <= 0) continue;
      last = &v;
      if (rest < v.weight) return last;
      rest -= v.weight;
    }
    return last;
  }
};

using RoutingTable = std::map<std::string, std::shared_ptr<const EndpointRoute>, std::less<>>;

}  // namespace clary::serving
