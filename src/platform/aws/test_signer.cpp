// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/test_signer.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "platform/aws/sigv4.h"

namespace clary::aws {

namespace {

std::string scope_text(const SigningContext& context, std::string_view timestamp) {
  return std::string(timestamp.substr(0, 8)) + "/" + context.region + "/" + context.service + "/aws4_request";
}

PathRule path_rule(const SigningContext& context) {
  return context.service == "s3" ? PathRule::kS3 : PathRule::kOthers;
}

struct Target {
  std::string_view path, query;
};

Target taken_apart(std::string_view target) {
  const std::size_t mark = target.find('?');
  if (mark == std::string_view::npos) return {target, {}};
  return {target.substr(0, mark), target.substr(mark + 1)};
}

std::string signature_of(std::string_view method, std::string_view target, const http::Headers& headers,
                         std::string_view signed_headers, std::string_view payload_hash, const SigningContext& context,
                         const std::string& credential, std::string_view timestamp) {
  const Scope scope = parse_scope(credential).value();
  const auto [path, query] = taken_apart(target);
  const CanonicalInput input{method, path, query, headers, signed_headers, payload_hash, path_rule(context)};
  const std::string text = string_to_sign(timestamp, scope.text, canonical_request(input));
  return sign_text(cached_signing_key(context.key.secret, scope), text);
}

}  // namespace

void sign(http::Headers& headers, std::string_view method, std::string_view target, std::string_view payload_hash,
          const SigningContext& context, EpochMs now) {
  const std::string timestamp = basic_iso8601(now);
  headers.set("X-Amz-Date", timestamp);
  if (context.service == "s3") headers.set("x-amz-content-sha256", payload_hash);
  if (!context.session_token.empty()) headers.set("X-Amz-Security-Token", context.session_token);
  std::vector<std::string> names;
  for (const auto [name, value] : headers) names.push_back(lower(name));
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string signed_headers;
  for (const std::string& name : names) signed_headers.append(signed_headers.empty() ? "" : ";").append(name);
  const std::string credential = context.key.id + "/" + scope_text(context, timestamp);
  const std::string signature =
      signature_of(method, target, headers, signed_headers, payload_hash, context, credential, timestamp);
  headers.set("Authorization", std::string(kAlgorithm) + " Credential=" + credential +
                                   ", SignedHeaders=" + signed_headers + ", Signature=" + signature);
}

std::string presigned(std::string_view method, std::string_view target, std::string_view host, long expires_seconds,
                      const SigningContext& context, EpochMs now) {
  const std::string timestamp = basic_iso8601(now);
  const std::string credential = context.key.id + "/" + scope_text(context, timestamp);
  std::string url(target);
  url += url.find('?') == std::string::npos ? '?' : '&';
  url.append("X-Amz-Algorithm=").append(kAlgorithm);
  url.append("&X-Amz-Credential=").append(percent_encoded(credential));
  url.append("&X-Amz-Date=").append(timestamp);
  url.append("&X-Amz-Expires=").append(std::to_string(expires_seconds));
  if (!context.session_token.empty())
    url.append("&X-Amz-Security-Token=").append(percent_encoded(context.session_token));
  url.append("&X-Amz-SignedHeaders=host");
  const http::Headers headers{{"Host", host}};
  const std::string signature =
      signature_of(method, url, headers, "host", kUnsignedPayload, context, credential, timestamp);
  return url.append("&X-Amz-Signature=").append(signature);
}

}  // namespace clary::aws
