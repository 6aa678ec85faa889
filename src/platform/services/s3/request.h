// SPDX-License-Identifier: Apache-2.0
// One S3 request, taken apart: which bucket and key (path or virtual-host style, percent-decoded once, never
// normalised), the decoded query, the headers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/message.h"
#include "platform/aws/caller.h"

namespace clary::s3 {

struct S3Request {
  http::Request& http;
  const aws::Caller& caller;
  std::string bucket;  // empty: the service itself
  std::string key;     // empty: the bucket itself
  std::vector<std::pair<std::string, std::string>> query;
  std::string body;  // of operations with a document

  /// The query parameter's value ("" for one without value), nothing when absent.
  std::optional<std::string_view> parameter(std::string_view name) const;
  std::optional<std::string_view> header(std::string_view name) const { return http.headers.get(name); }
  /// The parameter as a number within [low, high]; `otherwise` when absent or empty.
  /// @throws ServiceError{InvalidArgument} naming it
  int integer(std::string_view name, int low, int high, int otherwise) const;
  bool anonymous() const { return caller.access_key.empty(); }
};

/// @throws ServiceError{InvalidURI} on a bad escape or text that is not UTF-8
S3Request parse_request(http::Request& http, const aws::Caller& caller, const std::vector<std::string>& host_suffixes);

}  // namespace clary::s3
