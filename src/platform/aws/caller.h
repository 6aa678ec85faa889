// SPDX-License-Identifier: Apache-2.0
// Who asks, as the signature says, and what the answer must carry.
#pragma once

#include <string>
#include <string_view>

namespace clary::aws {

struct Caller {
  std::string access_key;  // empty: not signed
  std::string account;     // 12 digits
  std::string region;      // of the credential scope; the server's default when the scope has none
  std::string request_id;
  std::string host;  // Host as sent, with its port
  bool tls = false;
};

/// "aws", "aws-cn", "aws-us-gov", "aws-iso" or "aws-iso-b": the partition that a region's ARNs begin with.
std::string_view partition_of(std::string_view region) noexcept;

/// "arn:<partition>:<service>:<region>:<account>:<resource>"
std::string arn(const Caller& caller, std::string_view service, std::string_view resource);

}  // namespace clary::aws
