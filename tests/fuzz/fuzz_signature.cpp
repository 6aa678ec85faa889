// SPDX-License-Identifier: Apache-2.0
// First line: the target (presigned URLs of both versions); second: the Authorization header; third: X-Amz-Date.
// Nothing but ServiceError may escape, and nothing random may be accepted.
#include <cstdlib>
#include <string>

#include "base/text.h"
#include "platform/aws/authenticate.h"

using namespace clary;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const aws::Credentials keys(std::map<std::string, std::string, std::less<>>{{"AKIAFUZZ", "secret"}});
  const auto lines = split({reinterpret_cast<const char*>(data), size}, '\n');
  http::TextBody body("");
  http::Request request{"GET", std::string(lines[0]), {{"Host", "h"}}, body, false, "", ""};
  if (lines.size() > 1 && !lines[1].empty()) request.headers.add("Authorization", lines[1]);
  if (lines.size() > 2) request.headers.add("X-Amz-Date", lines[2]);
  aws::Signature signature;
  aws::read_signature(request, signature);
  try {
    aws::verify(request, signature, keys,
                {aws::Wire::kS3, aws::PathRule::kS3, aws::kUnsignedPayload, "", false, 1795251063123});
    std::abort();  // an HMAC was guessed
  } catch (const aws::ServiceError&) {
  }
  return 0;
}
