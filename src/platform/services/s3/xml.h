// SPDX-License-Identifier: Apache-2.0
// S3's XML answers. (Reading: documents.h.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http/message.h"
#include "platform/aws/xml.h"

namespace clary::s3 {

/// A document with its root element opened in S3's namespace.
class Xml : public aws::Xml {
 public:
  explicit Xml(std::string_view root);
};

/// 200 with an XML body.
http::Response xml_response(Xml& xml);

/// Times in documents: whole seconds, as Last-Modified has them.
std::string xml_time(std::int64_t epoch_ms);

}  // namespace clary::s3
