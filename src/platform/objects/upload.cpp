// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/upload.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "platform/objects/object_store.h"

namespace clary::objects {

namespace {

// Write-back starts while the body still arrives, so that the final fsync finds little left to do.
constexpr std::uint64_t kFlushBytes = 8ULL << 20;

}  // namespace

Upload::Upload(ObjectStore& store, Blobs& blobs, std::optional<Digest> checksum)
    : store_(&store), blobs_(&blobs), checksum_kind_(checksum), claim_(blobs.claim()), fd_(blobs.create(*claim_)) {
  if (checksum) checksum_hasher_.emplace(*checksum);
}

// A commit that failed, or none: the file goes. After a commit whose result is unknown kept_ is set, and the sweep
// decides.
Upload::~Upload() {
  if (fd_ && !kept_) blobs_->remove(claim_->id());
}

void Upload::write(std::span<const std::byte> bytes) {
  if (finished_) throw Error(Kind::kInternal, "upload: write after finish");
  write_all(fd_.get(), bytes, "upload");
  md5_hasher_.update(bytes);
  if (checksum_hasher_) checksum_hasher_->update(bytes);
  size_ += bytes.size();
  // sync_file_range() starts the write-back and does not wait; it makes nothing durable by itself (Blobs::publish
  // does).
  if (size_ - flushed_ >= kFlushBytes) {
    ::sync_file_range(fd_.get(), static_cast<off_t>(flushed_), static_cast<off_t>(size_ - flushed_),
                      SYNC_FILE_RANGE_WRITE);
    flushed_ = size_;
  }
}

void Upload::append_file(int fd, std::uint64_t size) {
  // No hash of joined bytes is computed, so that md5() must not be asked for afterwards: the caller has computed the
  // ETag from the parts.
  finished_ = true;
  for (std::uint64_t left = size; left > 0;) {
    const ssize_t n = ::copy_file_range(fd, nullptr, fd_.get(), nullptr, std::min<std::uint64_t>(left, 1U << 30), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("copy_file_range");
    if (n == 0) throw Error(Kind::kInternal, "a part's file is shorter than the index says");
    left -= static_cast<std::uint64_t>(n);
  }
  size_ += size;
}

void Upload::finish() {
  if (finished_) return;
  finished_ = true;
  md5_ = md5_hasher_.finish();
  if (checksum_hasher_) checksum_ = checksum_hasher_->finish();
}

const std::string& Upload::md5() {
  finish();
  return md5_;
}

const std::string& Upload::checksum() {
  finish();
  return checksum_;
}

ObjectInfo Upload::commit(std::string_view bucket, std::string_view key, const PutOptions& options) {
  finish();
  ObjectInfo object;
  object.bucket = bucket;
  object.key = key;
  object.etag = to_hex(md5_);
  return store_->commit_upload(*this, std::move(object), options);
}

PartInfo Upload::commit_part(std::string_view bucket, std::string_view key, std::string_view upload_id, int number) {
  finish();
  return store_->commit_upload_part(*this, bucket, key, upload_id, number);
}

}  // namespace clary::objects
