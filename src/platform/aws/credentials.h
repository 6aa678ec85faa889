// SPDX-License-Identifier: Apache-2.0
// The server's own access keys: a file of lines "access_key secret", mode 0600, made with one random key at first
// start. Temporary keys (AssumeRole) live in memory until they expire. Thread-safe.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "base/time.h"

namespace clary::aws {

struct AccessKey {
  std::string id;
  std::string secret;
};

struct TemporaryKey {
  AccessKey key;
  std::string session_token;
  EpochMs expires = 0;
};

class Credentials {
 public:
  /// Reads the file, or makes it (durably) with one new key. @throws Error{kMalformed} naming file and line
  static Credentials open(const std::filesystem::path& file);
  /// These keys and no file: tests, agents.
  explicit Credentials(std::map<std::string, std::string, std::less<>> keys) : keys_(std::move(keys)) {}
  Credentials(Credentials&& other) noexcept;

  struct Found {
    std::string secret;
    std::string session_token;  // of a temporary key: the request must carry it
    EpochMs expires = 0;        // 0: never
  };
  std::optional<Found> find(std::string_view access_key) const;

  /// The key to show to the user: the first of the file.
  AccessKey first() const;
  bool made_now() const noexcept { return made_now_; }

  TemporaryKey issue_temporary(std::chrono::seconds lifetime);

 private:
  std::map<std::string, std::string, std::less<>> keys_;
  std::string first_;
  bool made_now_ = false;
  mutable Mutex mutex_;
  std::map<std::string, TemporaryKey, std::less<>> temporary_ GUARDED_BY(mutex_);
};

}  // namespace clary::aws
