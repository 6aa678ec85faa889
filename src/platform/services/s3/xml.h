// SPDX-License-Identifier: Apache-2.0
// Writing S3's XML answers. (Reading: documents.h.)
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"

namespace clary::s3 {

/// Builds one document; elements stand in the order of the calls.
class Xml {
 public:
  /// Opens the root element in S3's namespace.
  explicit Xml(std::string_view root);
  Xml& open(std::string_view name);
  Xml& close();
  Xml& element(std::string_view name, std::string_view text);
  Xml& element(std::string_view name, std::int64_t value) { return element(name, std::to_string(value)); }
  Xml& flag(std::string_view name, bool value) { return element(name, value ? "true" : "false"); }
  /// Closes what is open.
  std::string finish();

 private:
  std::string text_;
  std::vector<std::string> open_;
};

/// 200 with an XML body.
http::Response xml_response(Xml& xml);

/// Times in documents: whole seconds, as Last-Modified has them.
std::string xml_time(std::int64_t epoch_ms);

}  // namespace clary::s3
