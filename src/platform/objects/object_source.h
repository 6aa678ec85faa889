// SPDX-License-Identifier: Apache-2.0
// Where jobs and endpoints read from. What they need is named by bucket, key and ETag; a store whose bytes lie on this
// machine gives a file as well, which is linked instead of copied. The built-in store is one; any S3 behind the same
// calls would be another.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "base/files.h"
#include "platform/objects/types.h"

namespace clary::objects {

struct OpenObject {
  ObjectInfo object;
  UniqueFd fd;
};

class ObjectSource {
 public:
  virtual ~ObjectSource() = default;

  virtual std::optional<BucketInfo> bucket(std::string_view name) = 0;
  /// Nothing when the key or the bucket does not exist.
  virtual std::optional<ObjectInfo> head(std::string_view bucket, std::string_view key) = 0;
  /// In UTF-8 byte order. Listed objects carry no headers and no parts. @throws ObjectError{kNoSuchBucket}
  virtual Listing list(std::string_view bucket, const ListQuery& query) = 0;
  /// head() and its bytes, consistent with each other however often the object is replaced meanwhile.
  virtual std::optional<OpenObject> open(std::string_view bucket, std::string_view key) = 0;

  /// The folder that local_file() is relative to. The code that starts an agent passes it beside agent.json, which
  /// therefore names no path of this machine.
  virtual std::filesystem::path local_root() const = 0;
  /// The object's immutable file below local_root(), or "" when its bytes are not on this machine. It may be
  /// hard-linked, must never be written to, and can vanish when the object is replaced: on ENOENT ask head() again.
  virtual std::filesystem::path local_file(const ObjectInfo& object) const = 0;
};

}  // namespace clary::objects
