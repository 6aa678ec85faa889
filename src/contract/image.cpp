// SPDX-License-Identifier: Apache-2.0
#include "contract/image.h"

#include <cstdlib>

#include "contract/layout.h"

namespace clary::contract {

ImageName parse_image(std::string_view image) {
  // A digest names contents; the name before it is what counts here.
  if (const auto at = image.find('@'); at != std::string_view::npos) image = image.substr(0, at);
  // The first component is a registry host when it looks like one: it has a dot or a port, or is "localhost".
  if (const auto slash = image.find('/'); slash != std::string_view::npos) {
    const std::string_view first = image.substr(0, slash);
    if (first.find_first_of(".:") != std::string_view::npos || first == "localhost") image = image.substr(slash + 1);
  }
  // A colon before the last slash belongs to a registry's port.
  const auto colon = image.rfind(':');
  const auto slash = image.rfind('/');
  if (colon == std::string_view::npos || (slash != std::string_view::npos && colon < slash))
    return {std::string(image), ""};
  return {std::string(image.substr(0, colon)), std::string(image.substr(colon + 1))};
}

ImageName image_from_environment() {
  const char* image = std::getenv(kEnvImage);
  return image == nullptr ? ImageName{} : parse_image(image);
}

}  // namespace clary::contract
