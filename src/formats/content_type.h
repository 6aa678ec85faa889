// SPDX-License-Identifier: Apache-2.0
// Content types as SageMaker's clients write them: "text/csv;label_size=0", "application/JSONLINES",
// "application/jsonlines; verbose=True". Names and types compare without case; blanks around ; and = do not matter.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clary::formats {

enum class Format { kRecordIoProtobuf, kCsv, kLibsvm, kJson, kJsonLines, kText, kOther };

struct ContentType {
  std::string type;                                            // lower case, without parameters; "" when none was given
  std::map<std::string, std::string, std::less<>> parameters;  // names lower case, values as written, quotes removed

  Format format() const;
  std::optional<std::string_view> parameter(std::string_view name) const;
  /// True for `name=true`, `name=True`, `name=1` and a bare `name`.
  bool flag(std::string_view name) const;
  /// The label_size parameter. @throws Error{kInvalid} unless it is an integer of 0..10000
  std::optional<std::int64_t> label_size() const;
  /// Refuses charsets other than UTF-8 and its subset ASCII. @throws Error{kInvalid}
  void require_utf8() const;
  std::string text() const;
};

/// Never fails: what is not understood stays in `type` or is ignored.
ContentType parse_content_type(std::string_view text);

/// The entries of an Accept header in the order of their q (equal q: as written); entries with q=0 are dropped.
std::vector<ContentType> parse_accept(std::string_view text);

}  // namespace clary::formats
