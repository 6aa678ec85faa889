// SPDX-License-Identifier: Apache-2.0
// Bytes on their way into the store: written to a file and hashed in one pass, invisible until committed, gone when
// dropped. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/files.h"
#include "base/hash.h"
#include "platform/objects/blobs.h"
#include "platform/objects/types.h"

namespace clary::objects {

class ObjectStore;

class Upload {
 public:
  Upload(ObjectStore& store, Blobs& blobs, std::optional<Digest> checksum);
  Upload(Upload&&) noexcept = default;
  Upload& operator=(Upload&&) = delete;
  ~Upload();

  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  std::uint64_t size() const { return size_; }

  /// Binary digests of everything written; no write may follow.
  const std::string& md5();
  const std::string& checksum();  // empty when none was asked for

  /// Makes the bytes the object `key`, durably. @throws ObjectError{kNoSuchBucket, kPreconditionFailed, kNoSuchKey}
  ObjectInfo commit(std::string_view bucket, std::string_view key, const PutOptions& options = {});

  /// Makes the bytes part `number` of a multipart upload, durably. @throws ObjectError{kNoSuchUpload}
  PartInfo commit_part(std::string_view bucket, std::string_view key, std::string_view upload_id, int number);

 private:
  friend class ObjectStore;
  void finish();
  /// Appends a whole file inside the kernel (a reflink where the file system can), without hashing: for joining parts.
  void append_file(int fd, std::uint64_t size);

  ObjectStore* store_;
  Blobs* blobs_;
  std::optional<Digest> checksum_kind_;
  std::optional<Blobs::Claim> claim_;
  UniqueFd fd_;
  Hasher md5_hasher_{Digest::kMd5};
  std::optional<Hasher> checksum_hasher_;
  std::uint64_t size_ = 0;
  std::uint64_t flushed_ = 0;  // bytes whose write-back has been started
  bool finished_ = false;
  bool kept_ = false;  // the index names the blob, or may
  std::string md5_;
  std::string checksum_;
};

}  // namespace clary::objects
