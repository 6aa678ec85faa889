// SPDX-License-Identifier: Apache-2.0
// The files under the object index. A blob is an immutable file blobs/<first two digits>/<id> with a random id; it is
// written as uploads/<id>, moved into place and made durable before the index may name it. A blob that is in neither
// the index nor a running commit is garbage: what a crash left is swept in the background at the next start.
// Safe to use from any thread.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <span>
#include <stop_token>
#include <string>

#include "base/files.h"
#include "base/mutex.h"

namespace clary::objects {

class Blobs {
 public:
  /// Makes the folders below `root` where they are missing.
  explicit Blobs(const std::filesystem::path& root);

  /// Protects one file from the sweep, from its first byte until the index names it or it is given up.
  class Claim {
   public:
    Claim(Blobs& blobs, std::string id);
    Claim(Claim&& other) noexcept;
    Claim& operator=(Claim&&) = delete;
    ~Claim();
    const std::string& id() const { return id_; }

   private:
    Blobs* blobs_;
    std::string id_;
  };

  Claim claim();
  const std::filesystem::path& root() const noexcept { return blobs_; }
  /// A blob's file below root().
  static std::filesystem::path file(const std::string& id);
  std::filesystem::path path(const std::string& id) const { return blobs_ / file(id); }
  std::filesystem::path upload_path(const std::string& id) const;

  /// Opens uploads/<id> for writing.
  UniqueFd create(const Claim& claim) const;

  /// Moves the upload to its place and fsyncs file and folder: after it the blob survives a power cut.
  void publish(const Claim& claim, int fd) const;

  /// Removes a blob or an upload; missing files are no error.
  void remove(const std::string& id) const noexcept;
  void remove(std::span<const std::string> ids) const noexcept {
    for (const auto& id : ids) remove(id);
  }

  /// Removes every upload and blob that is neither claimed nor `referenced`. @return how many
  std::size_t sweep(const std::function<bool(const std::string& id)>& referenced, const std::stop_token& stop);

 private:
  bool claimed(const std::string& id) const;

  std::filesystem::path blobs_;
  std::filesystem::path uploads_;
  mutable Mutex mutex_;
  std::set<std::string> claims_ GUARDED_BY(mutex_);
};

}  // namespace clary::objects
