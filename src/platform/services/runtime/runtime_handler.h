// SPDX-License-Identifier: Apache-2.0
// The sagemaker-runtime service: POST /endpoints/{name}/invocations. The hot path of the product: one look at the
// routing table, no JSON, no database, no other thread. The request's body is in memory when it comes here (its
// signature covers all of it), so it can be given to another process when one ends; the answer streams through.
#pragma once

#include "platform/aws/handlers.h"

namespace clary::serving {
class Endpoints;
}

namespace clary::runtime {

aws::WholeBodyHandler runtime_handler(serving::Endpoints& endpoints);

}  // namespace clary::runtime
