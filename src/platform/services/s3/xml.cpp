// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/xml.h"

#include "base/time.h"

namespace clary::s3 {

// kReference: keys may contain control characters, which XML 1.0 can only express as references; S3 does the same.
Xml::Xml(std::string_view root)
    : aws::Xml(std::string(root) + " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"", Control::kReference) {}

http::Response xml_response(Xml& xml) {
  http::Response out;
  out.headers.set("Content-Type", "application/xml");
  out.body = xml.finish();
  return out;
}

// S3's times have milliseconds that are always zero.
std::string xml_time(std::int64_t epoch_ms) { return iso8601_ms(epoch_ms / 1000 * 1000); }

}  // namespace clary::s3
