// SPDX-License-Identifier: Apache-2.0
// Buckets and objects. Every call that changes something is durable when it returns, and one transaction: an object is
// seen whole or not at all, also after kill -9. Several rows may name one blob (copies); the blob's file goes when the
// last row does, and hard links that jobs made of it stay valid. Safe to use from any thread; calls block on the disk.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/files.h"
#include "platform/objects/blobs.h"
#include "platform/objects/object_source.h"
#include "platform/objects/types.h"
#include "platform/objects/upload.h"
#include "platform/store/database.h"

namespace clary::objects {

class ObjectStore final : public ObjectSource {
 public:
  /// Keeps bytes in root/blobs and root/uploads (one file system), the index in `database`; starts the sweep.
  ObjectStore(const std::filesystem::path& root, store::Database& database);
  ObjectStore(const ObjectStore&) = delete;
  ObjectStore& operator=(const ObjectStore&) = delete;
  ~ObjectStore() override;

  // --- buckets (buckets.cpp)
  /// @throws ObjectError{kInvalidBucketName, kBucketExists}
  void create_bucket(std::string_view name, std::string_view region);
  std::optional<BucketInfo> bucket(std::string_view name) override;
  /// In name order, names > after that begin with prefix.
  std::vector<BucketInfo> buckets(std::string_view prefix = {}, std::string_view after = {}, int limit = 10'000);
  /// Running multipart uploads are dropped. @throws ObjectError{kNoSuchBucket, kBucketNotEmpty}
  void remove_bucket(std::string_view name);
  /// A document that belongs to a bucket ("tagging", ...); nothing when unset. @throws ObjectError{kNoSuchBucket}
  std::optional<std::string> bucket_document(std::string_view bucket, std::string_view name);
  void set_bucket_document(std::string_view bucket, std::string_view name, const std::optional<std::string>& text);

  // --- objects (object_store.cpp)
  std::optional<ObjectInfo> head(std::string_view bucket, std::string_view key) override;
  std::optional<OpenObject> open(std::string_view bucket, std::string_view key) override;
  std::filesystem::path local_root() const override { return blobs_.root(); }
  std::filesystem::path local_file(const ObjectInfo& object) const override { return Blobs::file(object.blob); }
  /// Both together.
  std::filesystem::path blob_path(const ObjectInfo& object) const { return local_root() / local_file(object); }

  /// What a commit would find now: lets a PUT be refused before its body is read.
  void check_conditions(std::string_view bucket, std::string_view key, const PutOptions& options);

  Upload begin(std::optional<Digest> checksum = std::nullopt);
  ObjectInfo put_file(std::string_view bucket, std::string_view key, const std::filesystem::path& file,
                      const PutOptions& options = {});
  ObjectInfo put_text(std::string_view bucket, std::string_view key, std::string_view text,
                      const PutOptions& options = {});
  /// Makes `key` another name of source's bytes; only the options' metadata is used.
  /// @throws ObjectError{kNoSuchKey} when the source has been replaced or removed since it was looked up
  ObjectInfo copy(const ObjectInfo& source, std::string_view bucket, std::string_view key, const PutOptions& options);
  /// Missing keys are no error. `if_match`: only when the ETag is this. @throws ObjectError{kNoSuchBucket}
  void remove(std::string_view bucket, std::string_view key, const std::optional<std::string>& if_match = {});
  /// All of them in one transaction. @throws ObjectError{kNoSuchBucket}
  void remove(std::string_view bucket, std::span<const std::string> keys);
  /// @throws ObjectError{kNoSuchBucket, kNoSuchKey}
  Tags tags(std::string_view bucket, std::string_view key);
  void set_tags(std::string_view bucket, std::string_view key, const Tags& tags);

  // --- listing (listing.cpp)
  Listing list(std::string_view bucket, const ListQuery& query) override;

  // --- multipart (multipart.cpp)
  /// @param checksum_algorithm  "" or a name that checksum_named() knows; checksum_type "COMPOSITE" | "FULL_OBJECT"
  MultipartInfo create_multipart(std::string_view bucket, std::string_view key, const PutOptions& options,
                                 std::string_view checksum_algorithm = {}, std::string_view checksum_type = {});
  /// @throws ObjectError{kNoSuchUpload} unless it belongs to this bucket and key
  MultipartInfo multipart(std::string_view bucket, std::string_view key, std::string_view upload_id);
  std::vector<PartInfo> parts(std::string_view bucket, std::string_view key, std::string_view upload_id,
                              int after_number, int limit);
  /// In (key, id) order, after (after_key, after_id).
  std::vector<MultipartInfo> multiparts(std::string_view bucket, std::string_view prefix, std::string_view after_key,
                                        std::string_view after_id, int limit);
  void abort_multipart(std::string_view bucket, std::string_view key, std::string_view upload_id);
  /// Idempotent: completing again answers the object while it is still the upload's.
  /// @throws ObjectError{kNoSuchUpload, kInvalidPart, kInvalidPartOrder, kPartTooSmall, kPreconditionFailed,
  /// kBadChecksum, kBadSize}
  ObjectInfo complete_multipart(std::string_view bucket, std::string_view key, std::string_view upload_id,
                                std::span<const CompletedPart> list, const CompleteOptions& options = {});

  /// Removes what a crash left behind; runs by itself once after the start. @return files removed
  std::size_t sweep(const std::stop_token& stop = {});

 private:
  friend class Upload;
  struct Completion;  // multipart.cpp
  ObjectInfo commit_upload(Upload& upload, ObjectInfo object, const PutOptions& options);
  PartInfo commit_upload_part(Upload& upload, std::string_view bucket, std::string_view key, std::string_view upload_id,
                              int number);
  /// publish() plus a transaction that names the blob; f returns the blobs that became garbage.
  void commit_blob(Upload& upload, const std::function<std::vector<std::string>(store::Connection&)>& f);
  void commit_completion(Completion& completion);
  void remove_unreferenced(const std::function<std::vector<std::string>(store::Connection&)>& f);

  store::Database& database_;
  Blobs blobs_;
  std::jthread sweeper_;  // last: stops before the rest goes
};

}  // namespace clary::objects
