// SPDX-License-Identifier: Apache-2.0
// Which service does a request mean? One port serves them all, so the request alone decides. The rules are one table,
// tried in order.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "http/message.h"
#include "platform/aws/authenticate.h"

namespace clary::aws {

enum class Destination {
  kJson,             // X-Amz-Target names the service
  kUnsupportedWire,  // a protocol that this server does not speak (smithy RPC v2)
  kRuntime,
  kSagemakerMetrics,  // known, not implemented
  kS3,
  kQuery,  // STS, IAM, CloudWatch's old form: the scope or Version= in the form names the service
  kUnknown,
};

/// What the rules look at.
struct RequestFacts {
  std::string_view method, path, query;
  std::string host;  // lower case, without port
  bool has_target = false;
  bool is_form = false;  // Content-Type application/x-www-form-urlencoded
  bool is_smithy_rpc = false;
  bool is_s3_host = false;  // bucket.s3..., s3.region...
  bool is_signed = false;
  bool is_v2 = false;
  std::string_view scope_service;
};

RequestFacts facts_of(const http::Request& request, const Signature& signature,
                      const std::vector<std::string>& s3_suffixes);

struct DispatchRule {
  std::string_view name;
  bool (*applies)(const RequestFacts&);
  Destination destination;
};

std::span<const DispatchRule> dispatch_rules() noexcept;
const DispatchRule& dispatch(const RequestFacts& facts) noexcept;

/// Host without its port, in lower case.
std::string host_without_port(std::string_view host);
bool is_s3_host(std::string_view host, const std::vector<std::string>& suffixes);

}  // namespace clary::aws
