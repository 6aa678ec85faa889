// SPDX-License-Identifier: Apache-2.0
// Reading the XML documents that clients send. Sizes, counts and depth are bounded; anything else is Error{kMalformed}
// naming the element and the rule.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/objects/types.h"

namespace clary::s3 {

inline constexpr std::size_t kMaxDocumentBytes = 8ULL << 20;  // 1000 keys of 1024 bytes, all escaped, fit
inline constexpr int kMaxDeleteKeys = 1000;                   // AWS limit

struct DeleteDocument {
  struct Entry {
    std::string key;
    std::string version;
    std::optional<std::string> etag;  // no quotes
  };
  bool quiet = false;
  std::vector<Entry> entries;
};

DeleteDocument parse_delete(std::string_view text);
/// At least one part, at most 10 000; part numbers are within 1..10000.
std::vector<objects::CompletedPart> parse_complete_multipart(std::string_view text);
objects::Tags parse_tagging(std::string_view text);
/// The LocationConstraint of a CreateBucketConfiguration; "" when there is none.
std::string parse_location_constraint(std::string_view text);
/// Only that it is one well-formed element of this name.
void check_document(std::string_view text, std::string_view root);

std::string_view without_quotes(std::string_view etag);

}  // namespace clary::s3
