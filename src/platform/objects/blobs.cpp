// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/blobs.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/ids.h"

namespace clary::objects {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kIdBytes = 16;

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    names.push_back(it->path().filename().string());
  return names;
}

}  // namespace

Blobs::Blobs(const fs::path& root) : blobs_(root / "blobs"), uploads_(root / "uploads") {
  // Made once, in an order in which "ff" is the last: if it exists the 255 others do.
  fs::create_directories(uploads_);
  if (fs::exists(blobs_ / "ff")) return;  // made last
  fs::create_directories(blobs_);
  for (int i = 0; i < 256; ++i) {
    char name[3];
    std::snprintf(name, sizeof name, "%02x", static_cast<unsigned>(i));
    fs::create_directory(blobs_ / name);
  }
  // The folders' own entries are durable before the first blob is put into one.
  fsync_folder(blobs_);
  fsync_folder(root);
}

// Claims are in memory only: after a crash nothing is being written, so that every file that the index does not name
// is garbage.
Blobs::Claim::Claim(Blobs& blobs, std::string id) : blobs_(&blobs), id_(std::move(id)) {
  const MutexLock lock(blobs_->mutex_);
  blobs_->claims_.insert(id_);
}

Blobs::Claim::Claim(Claim&& other) noexcept : blobs_(std::exchange(other.blobs_, nullptr)), id_(std::move(other.id_)) {}

Blobs::Claim::~Claim() {
  if (blobs_ == nullptr) return;
  const MutexLock lock(blobs_->mutex_);
  blobs_->claims_.erase(id_);
}

Blobs::Claim Blobs::claim() { return {*this, random_hex(kIdBytes)}; }

fs::path Blobs::file(const std::string& id) { return fs::path(id.substr(0, 2)) / id; }
fs::path Blobs::upload_path(const std::string& id) const { return uploads_ / id; }

UniqueFd Blobs::create(const Claim& claim) const {
  // 0444: nothing writes to a blob again, hard links in job folders included.
  // O_EXCL: ids are 128 random bits and never used twice.
  return open_file(upload_path(claim.id()), O_RDWR | O_CREAT | O_EXCL, 0444);
}

void Blobs::publish(const Claim& claim, int fd) const {
  const fs::path from = upload_path(claim.id()), to = path(claim.id());
  // Renamed first: the file's fsync then commits the file system's journal with the rename in it, and the folder's
  // finds nothing left to do. A crash in between leaves a half-written blob that the index never names.
  if (::rename(from.c_str(), to.c_str()) != 0) throw_errno("rename to " + to.string());
  if (::fsync(fd) != 0) throw_errno("fsync " + to.string());
  fsync_folder(to.parent_path());
}

void Blobs::remove(const std::string& id) const noexcept {
  if (id.empty()) return;
  // Both places: the caller does not know whether publish() got as far as the rename.
  ::unlink(upload_path(id).c_str());
  ::unlink(path(id).c_str());
}

bool Blobs::claimed(const std::string& id) const {
  const MutexLock lock(mutex_);
  return claims_.contains(id);
}

// Why that order suffices: an unclaimed id is no longer being written. If the index does not name it now it never
// will.
// A blob is claimed before its file exists and until the index names it, and an id never returns to the index: so a
// file that was listed, then found unclaimed, then found unreferenced, in this order, stays garbage.
std::size_t Blobs::sweep(const std::function<bool(const std::string&)>& referenced, const std::stop_token& stop) {
  std::size_t removed = 0;
  for (const auto& id : names_in(uploads_))
    // uploads/: a file there that is not claimed is of an earlier process.
    if (!stop.stop_requested() && !claimed(id) && ::unlink(upload_path(id).c_str()) == 0) ++removed;
  for (const auto& shard : names_in(blobs_))
    for (const auto& id : names_in(blobs_ / shard)) {
      if (stop.stop_requested()) return removed;
      if (!claimed(id) && !referenced(id) && ::unlink((blobs_ / shard / id).c_str()) == 0) ++removed;
    }
  return removed;
}

}  // namespace clary::objects
