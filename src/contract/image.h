// SPDX-License-Identifier: Apache-2.0
// Names of container images. The platform passes to a program which image the user asked for, since one program may
// answer to several whose formats differ by tag (XGBoost's "1.0-1" and "1.7-1").
#pragma once

#include <string>
#include <string_view>

namespace clary::contract {

struct ImageName {
  std::string repository, tag;  // the tag is "" when absent
};

/// "host:5000/team/knn:1" -> {"team/knn", "1"}; a registry host and "@sha256:..." are dropped.
ImageName parse_image(std::string_view image);

/// From kEnvImage; empty when unset (a run by hand).
ImageName image_from_environment();

}  // namespace clary::contract
