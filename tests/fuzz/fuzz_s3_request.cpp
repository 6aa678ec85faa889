// SPDX-License-Identifier: Apache-2.0
// Targets of S3 requests (path, list and sub-resource parameters), range headers and conditional lists: parsing and
// routing may only refuse with a ServiceError.
#include <cstdlib>

#include "platform/services/s3/bodies.h"
#include "platform/services/s3/conditions.h"
#include "platform/services/s3/routes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace clary;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const auto line = std::min(text.find('\n'), text.size());
  http::TextBody body("");
  http::Request request{"GET", std::string(text.substr(0, line)), {}, body, false, {}, ""};
  aws::Caller caller;
  caller.host = std::string(text.substr(std::min(line + 1, text.size())));
  try {
    const s3::S3Request in = s3::parse_request(request, caller, {"localhost"});
    s3::find_route(in);
    in.integer("max-keys", 0, 1000, 1000);
    s3::token_text(in, "continuation-token");
  } catch (const aws::ServiceError&) {
  }
  try {
    const auto range = s3::parse_range(text, 1000);
    if (range && (range->length == 0 || range->offset + range->length > 1000)) std::abort();
  } catch (const aws::ServiceError&) {
  }
  s3::etag_matches(text, "abc");
  return 0;
}
