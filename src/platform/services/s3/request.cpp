// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/request.h"

#include <charconv>

#include "base/text.h"
#include "platform/objects/s3_uri.h"
#include "platform/services/s3/errors.h"

namespace clary::s3 {

namespace {

// S3 keys are UTF-8; anything else could not be listed in XML.
std::string decoded(std::string_view text, bool plus_is_space) {
  auto out = percent_decoded(text, plus_is_space);
  if (!out || !is_utf8(*out)) fail(Code::kInvalidURI, "Couldn't parse the specified URI.");
  return std::move(*out);
}

/// The bucket that the Host names, if it does.
std::string bucket_of_host(std::string_view host, const std::vector<std::string>& suffixes) {
  if (const auto bucket = objects::bucket_of_s3_host(host)) return *bucket;
  // Without the port.
  const std::string name = lower(host.substr(0, host.rfind(':')));
  for (const auto& suffix : suffixes)
    if (name.size() > suffix.size() + 1 && name.ends_with("." + suffix))
      return name.substr(0, name.size() - suffix.size() - 1);
  return {};
}

}  // namespace

// The first of equal names.
std::optional<std::string_view> S3Request::parameter(std::string_view name) const {
  for (const auto& [key_text, value] : query)
    if (key_text == name) return value;
  return std::nullopt;
}

int S3Request::integer(std::string_view name, int low, int high, int otherwise) const {
  const auto text = parameter(name);
  if (!text || text->empty()) return otherwise;
  long long value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value < low || value > high)
    fail_argument(name, *text,
                  "Argument " + std::string(name) + " must be an integer between " + std::to_string(low) + " and " +
                      std::to_string(high));
  return static_cast<int>(value);
}

S3Request parse_request(http::Request& http, const aws::Caller& caller, const std::vector<std::string>& host_suffixes) {
  S3Request in{http, caller, {}, {}, {}, {}};
  std::string_view path = http.path();
  if (path.starts_with('/')) path.remove_prefix(1);
  // Virtual-host style: the bucket comes from the Host, and the whole path is the key.
  in.bucket = bucket_of_host(caller.host, host_suffixes);
  if (in.bucket.empty()) {
    const auto slash = std::min(path.find('/'), path.size());
    in.bucket = decoded(path.substr(0, slash), false);
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  // Neither "//" nor ".." is normalised: both are legal in keys, which never become paths (blobs have ids of their
  // own).
  in.key = decoded(path, false);
  if (http.query().empty()) return in;
  for (const auto part : split(http.query(), '&')) {
    if (part.empty()) continue;
    const auto equals = std::min(part.find('='), part.size());
    in.query.emplace_back(decoded(part.substr(0, equals), true),
                          decoded(part.substr(std::min(equals + 1, part.size())), true));
  }
  return in;
}

}  // namespace clary::s3
