// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/tag.h"

#include <charconv>
#include <string_view>

namespace clary::xgboost {

// The image's tag decides texts, defaults and file forms, because jobs and models of old images must go on working.
// xgboost:1 and :latest are the closed container of before 0.90.
Tag tag_of(const contract::ImageName& image) {
  std::string_view repository = image.repository;
  if (const auto slash = repository.rfind('/'); slash != std::string_view::npos) repository.remove_prefix(slash + 1);
  if (repository == "xgboost" && (image.tag.empty() || image.tag == "1" || image.tag == "latest")) return kClosedTag;
  const char *at = image.tag.data(), *end = at + image.tag.size();
  Tag out;
  const auto major = std::from_chars(at, end, out.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return kDefaultTag;
  if (std::from_chars(major.ptr + 1, end, out.minor).ec != std::errc()) return kDefaultTag;
  return out;
}

}  // namespace clary::xgboost
