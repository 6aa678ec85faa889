// SPDX-License-Identifier: Apache-2.0
// Which operation a request means: rows of method, path shape, required query and header. Of the rows that match, the
// one with most requirements wins, whatever their order.
#pragma once

#include <span>
#include <string_view>

#include "platform/services/s3/operations.h"

namespace clary::s3 {

enum class Shape { kService, kBucket, kObject };

using Blocking = Response (*)(S3Request&, Context&);
using Streaming = http::asio::awaitable<Response> (*)(S3Request&, Context&);

struct Route {
  std::string_view name;  // S3's name of the operation
  std::string_view method;
  Shape shape = Shape::kService;
  std::string_view query;   // "a&b=c": parameters that must be there; "" for none
  std::string_view header;  // that must be there; "" for none
  Blocking blocking = nullptr;
  Streaming streaming = nullptr;
};

std::span<const Route> routes();

/// @throws ServiceError{MethodNotAllowed}
const Route& find_route(const S3Request& in);

}  // namespace clary::s3
