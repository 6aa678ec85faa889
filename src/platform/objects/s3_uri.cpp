// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/s3_uri.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "platform/objects/names.h"
#include "platform/objects/types.h"

namespace clary::objects {

namespace {

/// Whether labels[i..] is one of: s3, s3.<region>, s3.dualstack.<region>, s3-<region>.
bool is_service(const std::vector<std::string_view>& labels, std::size_t i) {
  const std::size_t rest = labels.size() - i - 1;
  if (labels[i] == "s3") return rest == 0 || rest == 1 || (rest == 2 && labels[i + 1] == "dualstack");
  return labels[i].starts_with("s3-") && labels[i].size() > 3 && rest == 0;
}

std::optional<S3Uri> checked(std::string_view bucket, std::string_view key) {
  if (!is_bucket_name(bucket) || key.size() > kMaxKeyBytes || !is_utf8(key)) return std::nullopt;
  return S3Uri{std::string(bucket), std::string(key)};
}

/// "bucket/key", "bucket/" or "bucket"
/// percent-encoding does not occur in s3:// addresses: the key is everything behind the bucket, '?' and '#' included.
std::optional<S3Uri> from_path(std::string_view path) {
  const auto slash = path.find('/');
  if (slash == std::string_view::npos) return checked(path, {});
  return checked(path.substr(0, slash), path.substr(slash + 1));
}

}  // namespace

std::optional<std::string> bucket_of_s3_host(std::string_view host) {
  const std::string name = lower(host.substr(0, host.find(':')));
  std::string_view rest = name;
  const auto drop = [&](std::string_view suffix) {
    if (!rest.ends_with(suffix)) return false;
    rest.remove_suffix(suffix.size());
    return true;
  };
  if (!drop(".amazonaws.com") && !drop(".amazonaws.com.cn")) return std::nullopt;
  const auto labels = split(rest, '.');
  if (std::any_of(labels.begin(), labels.end(), [](std::string_view label) { return label.empty(); }))
    return std::nullopt;
  // From the right: a bucket's name may itself contain labels like "s3".
  for (std::size_t i = labels.size(); i-- > 0;)
    if (is_service(labels, i)) {
      const auto length = static_cast<std::size_t>(labels[i].data() - rest.data());
      return std::string(rest.substr(0, length > 0 ? length - 1 : 0));
    }
  return std::nullopt;
}

std::optional<S3Uri> parse_s3_uri(std::string_view text) {
  if (text.starts_with("s3://")) return from_path(text.substr(5));
  const std::size_t scheme = text.starts_with("https://") ? 8 : text.starts_with("http://") ? 7 : 0;
  // Every byte of a key may be percent-encoded to three, plus host and bucket.
  if (scheme == 0 || text.size() > 8 * kMaxKeyBytes) return std::nullopt;
  text.remove_prefix(scheme);
  const auto slash = std::min(text.find('/'), text.size());
  const auto bucket = bucket_of_s3_host(text.substr(0, slash));
  const auto path = percent_decoded(text.substr(std::min(slash + 1, text.size())));
  if (!bucket || !path) return std::nullopt;
  return bucket->empty() ? from_path(*path) : checked(*bucket, *path);
}

std::string to_string(const S3Uri& uri) { return "s3://" + uri.bucket + "/" + uri.key; }

}  // namespace clary::objects
