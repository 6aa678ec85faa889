// SPDX-License-Identifier: Apache-2.0
// Collective over gloo's TCP transport. Only gloo_collective.cpp sees gloo's headers.
#pragma once

#include <memory>

#include "learning/collective/collective.h"

namespace clary::collective {

std::unique_ptr<Collective> connect_gloo(const Hosts& hosts, const ConnectOptions& options);

}  // namespace clary::collective
