// SPDX-License-Identifier: Apache-2.0
// S3 addresses as users write them in requests ("s3://bucket/key", "https://s3-us-west-2.amazonaws.com/bucket/key",
// ...), and as clients name hosts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace clary::objects {

struct S3Uri {
  std::string bucket;
  std::string key;  // may be empty, may end in '/'
};

/// s3://b/k and the http(s) forms of an AWS host, path or virtual-host style (percent-decoded once).
/// @return nothing unless the bucket's name is valid and the key is UTF-8 of at most 1024 bytes
std::optional<S3Uri> parse_s3_uri(std::string_view text);

/// "s3://bucket/key"
std::string to_string(const S3Uri& uri);

/// The bucket that a Host (port allowed) names in front of an AWS S3 host: "" for s3.us-west-2.amazonaws.com itself,
/// "b" for b.s3.amazonaws.com; nothing when the host is not S3's.
std::optional<std::string> bucket_of_s3_host(std::string_view host);

}  // namespace clary::objects
