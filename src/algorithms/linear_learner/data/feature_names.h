// SPDX-License-Identifier: Apache-2.0
// The names of features, from the header line of a CSV training channel (content type text/csv;header=present), for the
// file of coefficients.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "learning/shell/channel.h"

namespace clary::linear_learner {

/// One name a feature, or nothing: no header, Pipe mode, a gzipped file, or a header of another width.
std::vector<std::string> feature_names(const shell::Channel& channel, std::int64_t features);

}  // namespace clary::linear_learner
