// SPDX-License-Identifier: Apache-2.0
// Which objects the channel of an augmented manifest needs: the manifest, and what its lines name. Those of the other
// channels: objects/source_plan.h.
#pragma once

#include <string>
#include <vector>

#include "platform/objects/source_plan.h"

namespace clary::training {

/// The manifest object of an augmented manifest channel and, after it, every object that its "-ref" attributes name,
/// once, with the address as `relative`.
/// @throws as plan_source(), and Error{kMalformed} for a manifest with "-ref" attributes that has a bad line; other
/// manifests are read when they are passed on
std::vector<objects::PlannedObject> plan_augmented_manifest(const std::string& uri,
                                                            const std::vector<std::string>& attributes, bool gzip,
                                                            objects::ObjectSource& source);

}  // namespace clary::training
