// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/caller.h"

namespace clary::aws {

std::string_view partition_of(std::string_view region) noexcept {
  if (region.starts_with("cn-")) return "aws-cn";
  if (region.starts_with("us-gov-")) return "aws-us-gov";
  if (region.starts_with("us-isob-")) return "aws-iso-b";
  if (region.starts_with("us-iso-")) return "aws-iso";
  return "aws";
}

std::string arn(const Caller& caller, std::string_view service, std::string_view resource) {
  std::string text = "arn:";
  text.append(partition_of(caller.region)).append(":").append(service).append(":").append(caller.region);
  return text.append(":").append(caller.account).append(":").append(resource);
}

}  // namespace clary::aws
