// SPDX-License-Identifier: Apache-2.0
// An architecture in model.json, under the names and words of the hyperparameters. Bytes that are read may come from
// strangers.
#pragma once

#include "algorithms/seq2seq/model/architecture.h"
#include "base/json.h"

namespace clary::seq2seq {

Json to_json(const Architecture& architecture);

/// @throws Error{kMalformed} naming member, value and rule
Architecture architecture_of(const Json& json);

/// The rules over several members and the bounds of each. @param where  begins the message ("model.json: architecture")
/// @throws Error{kMalformed}
void check_architecture(const Architecture& architecture, const std::string& where);

}  // namespace clary::seq2seq
