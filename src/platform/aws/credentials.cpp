// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/credentials.h"

#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/text.h"

namespace clary::aws {

namespace {

constexpr std::string_view kIdAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Like AWS's: four letters for the kind (AKIA permanent, ASIA temporary), then sixteen random ones.
/// 32 letters: 5 bits of each random byte.
std::string new_key_id(std::string_view kind) {
  std::string id(kind);
  const std::string random = from_hex(random_hex(16)).value();
  for (const char c : random) id += kIdAlphabet[static_cast<unsigned char>(c) & 31];
  return id;
}

// 30 random bytes give 40 base64 characters, the length of AWS's secrets.
std::string new_secret() { return to_base64(from_hex(random_hex(30)).value()); }

}  // namespace

// The mutex and temporary keys stay behind: moves happen at start-up only, before keys are issued.
Credentials::Credentials(Credentials&& other) noexcept
    : keys_(std::move(other.keys_)), first_(std::move(other.first_)), made_now_(other.made_now_) {}

Credentials Credentials::open(const std::filesystem::path& file) {
  std::string text;
  bool made = false;
  if (std::filesystem::exists(file)) {
    text = read_file(file, 1 << 20);
  } else {
    text = "# access key, secret key; one pair per line\n" + new_key_id("AKIA") + " " + new_secret() + "\n";
    // 0600, and durable before the first client can have used the key.
    write_file_durably(file, text, 0600);
    made = true;
  }
  Credentials credentials({});
  credentials.made_now_ = made;
  int number = 0;
  for (const std::string_view raw : split(text, '\n')) {
    ++number;
    const std::string_view line = trimmed(raw);
    if (line.empty() || line.front() == '#') continue;
    const std::size_t blank = line.find_first_of(" \t");
    const std::string_view secret = blank == std::string_view::npos ? "" : trimmed(line.substr(blank));
    if (secret.empty() || secret.find_first_of(" \t") != std::string_view::npos)
      throw Error(Kind::kMalformed,
                  file.string() + ": line " + std::to_string(number) + ": expected \"ACCESS_KEY SECRET\"");
    const std::string id(line.substr(0, blank));
    if (!credentials.keys_.emplace(id, secret).second)
      throw Error(Kind::kMalformed,
                  file.string() + ": line " + std::to_string(number) + ": access key " + id + " appears twice");
    if (credentials.first_.empty()) credentials.first_ = id;
  }
  if (credentials.keys_.empty()) throw Error(Kind::kMalformed, file.string() + ": holds no access key");
  return credentials;
}

std::optional<Credentials::Found> Credentials::find(std::string_view access_key) const {
  // Permanent keys never change after open(): read without the lock.
  if (const auto hit = keys_.find(access_key); hit != keys_.end()) return Found{hit->second, "", 0};
  const MutexLock lock(mutex_);
  const auto hit = temporary_.find(access_key);
  if (hit == temporary_.end()) return std::nullopt;
  return Found{hit->second.key.secret, hit->second.session_token, hit->second.expires};
}

AccessKey Credentials::first() const {
  const auto hit = first_.empty() ? keys_.begin() : keys_.find(first_);
  if (hit == keys_.end()) throw Error(Kind::kNotFound, "there is no access key");
  return {hit->first, hit->second};
}

TemporaryKey Credentials::issue_temporary(std::chrono::seconds lifetime) {
  TemporaryKey made;
  made.key = {new_key_id("ASIA"), new_secret()};
  made.session_token = to_base64(from_hex(random_hex(96)).value());
  const EpochMs now = now_ms();
  made.expires = now + std::chrono::duration_cast<std::chrono::milliseconds>(lifetime).count();
  const MutexLock lock(mutex_);
  // Expired keys are dropped whenever one is issued, so the map is bounded by what was issued within a lifetime.
  std::erase_if(temporary_, [&](const auto& entry) { return entry.second.expires < now; });
  if (temporary_.size() >= 10'000) throw Error(Kind::kLimit, "more than 10000 temporary keys are in use");
  temporary_.emplace(made.key.id, made);
  return made;
}

}  // namespace clary::aws
