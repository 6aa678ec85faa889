// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/dispatch.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "platform/aws/edge.h"

namespace clary::aws {

namespace {

/// /endpoints/<name>/(invocations | async-invocations | invocations-response-stream)
/// Exact paths only: an S3 object may be called "endpoints/x/invocations" in a bucket "endpoints".
bool is_runtime_path(std::string_view path) noexcept {
  constexpr std::string_view kPrefix = "/endpoints/";
  if (!path.starts_with(kPrefix)) return false;
  path.remove_prefix(kPrefix.size());
  const std::size_t slash = path.find('/');
  if (slash == 0 || slash == std::string_view::npos) return false;
  const std::string_view action = path.substr(slash + 1);
  return action == "invocations" || action == "async-invocations" || action == "invocations-response-stream";
}

bool is_runtime_host(std::string_view host) noexcept { return host.starts_with("runtime.sagemaker."); }

bool is_metrics_path(const RequestFacts& f) noexcept {
  return (f.method == "PUT" && f.path == "/BatchPutMetrics") || (f.method == "POST" && f.path == "/BatchGetMetrics");
}

bool is_query_scope(std::string_view service) noexcept {
  return service == "sts" || service == "iam" || service == "monitoring";
}

// The first rule that applies decides; the last one always does.
// The order matters: what names its service for certain (a header, a credential scope) comes before what is only likely
// (a path, a content type), since a bucket may be called "endpoints" and its objects anything.
constexpr auto kRules = std::to_array<DispatchRule>({
    {"X-Amz-Target", [](const RequestFacts& f) { return f.has_target; }, Destination::kJson},
    {"smithy RPC v2", [](const RequestFacts& f) { return f.is_smithy_rpc; }, Destination::kUnsupportedWire},
    {"runtime",
     [](const RequestFacts& f) {
       return is_runtime_path(f.path) && (f.scope_service == "sagemaker" || is_runtime_host(f.host));
     },
     Destination::kRuntime},
    {"runtime host or scope, other path",
     [](const RequestFacts& f) {
       return is_runtime_host(f.host) || (f.scope_service == "sagemaker" && f.path.starts_with("/endpoints/"));
     },
     Destination::kRuntime},
    {"sagemaker-metrics", [](const RequestFacts& f) { return is_metrics_path(f) && f.scope_service == "sagemaker"; },
     Destination::kSagemakerMetrics},
    {"scope s3 or Version 2", [](const RequestFacts& f) { return f.scope_service == "s3" || f.is_v2; },
     Destination::kS3},
    {"query form", [](const RequestFacts& f) { return f.method == "POST" && f.path == "/" && f.is_form; },
     Destination::kQuery},
    {"query scope", [](const RequestFacts& f) { return f.path == "/" && is_query_scope(f.scope_service); },
     Destination::kQuery},
    {"signed for something else", [](const RequestFacts& f) { return f.is_signed; }, Destination::kUnknown},
    {"unsigned runtime", [](const RequestFacts& f) { return is_runtime_path(f.path) && !f.is_s3_host; },
     Destination::kRuntime},
    {"unsigned", [](const RequestFacts&) { return true; }, Destination::kS3},
});

}  // namespace

std::span<const DispatchRule> dispatch_rules() noexcept { return kRules; }

const DispatchRule& dispatch(const RequestFacts& facts) noexcept {
  // find_if always succeeds because the last rule applies to everything.
  return *std::find_if(kRules.begin(), kRules.end(), [&](const DispatchRule& r) { return r.applies(facts); });
}

std::string host_without_port(std::string_view host) {
  // An IPv6 literal has colons of its own.
  if (host.starts_with('[')) return lower(host.substr(0, host.find(']') + 1));
  return lower(host.substr(0, host.find(':')));
}

RequestFacts facts_of(const http::Request& request, const Signature& signature,
                      const std::vector<std::string>& s3_suffixes) {
  RequestFacts f;
  f.method = request.method;
  f.path = request.path();
  f.query = request.query();
  f.host = host_without_port(request.headers.value_or("Host", request.connect_host));
  f.has_target = request.headers.has("X-Amz-Target");
  f.is_form = request.headers.value_or("Content-Type", "").starts_with("application/x-www-form-urlencoded");
  f.is_smithy_rpc = request.headers.has("smithy-protocol");
  f.is_s3_host = is_s3_host(f.host, s3_suffixes);
  f.is_signed = signature.form != Signature::Form::kNone;
  f.is_v2 = signature.form == Signature::Form::kPresignedV2;
  f.scope_service = signature.service;
  return f;
}

namespace {

/// The S3 end of a host name ("s3.us-east-1.amazonaws.com"), or nothing; what comes before it is the bucket.
/// The configured suffixes first: an operator's own names may themselves end in something that looks like AWS's.
std::optional<std::size_t> s3_suffix_at(std::string_view host, const std::vector<std::string>& suffixes) {
  for (const std::string& own : suffixes) {
    if (own.empty() || !host.ends_with(own)) continue;
    const std::size_t at = host.size() - own.size();
    if (at == 0 || host[at - 1] == '.') return at;
  }
  for (const std::string_view tail : {".amazonaws.com", ".amazonaws.com.cn"}) {
    if (!host.ends_with(tail)) continue;
    // From the right, four labels at most: bucket names may contain dots and the label "s3".
    // s3 | s3-<region> | s3.<region> | s3.dualstack.<region> | s3-fips..., right-most label that begins so
    std::size_t at = host.size() - tail.size();
    for (int labels = 0; labels < 4; ++labels) {
      const std::size_t dot = at == 0 ? std::string_view::npos : host.rfind('.', at - 1);
      const std::size_t begin = dot == std::string_view::npos ? 0 : dot + 1;
      const std::string_view label = host.substr(begin, at - begin);
      if (label == "s3" || label.starts_with("s3-")) return begin;
      if (begin == 0) break;
      at = dot;
    }
  }
  return std::nullopt;
}

}  // namespace

bool is_s3_host(std::string_view host, const std::vector<std::string>& suffixes) {
  return s3_suffix_at(host, suffixes).has_value();
}

std::optional<std::string> bucket_of_host(std::string_view host, const std::vector<std::string>& suffixes) {
  const std::string name = host_without_port(host);
  const auto at = s3_suffix_at(name, suffixes);
  if (!at || *at == 0) return std::nullopt;
  return name.substr(0, *at - 1);
}

}  // namespace clary::aws
