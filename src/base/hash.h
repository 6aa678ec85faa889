// SPDX-License-Identifier: Apache-2.0
// Digests, checksums and their text forms. Digests come from OpenSSL; CRC-32C and CRC-64/NVME are table driven because
// no Debian library offers the latter, and CRC-32 comes from zlib.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace clary {

enum class Digest { kMd5, kSha1, kSha256, kCrc32, kCrc32c, kCrc64Nvme };

/// Feed bytes, then take the binary digest once (CRCs are big endian, as S3 prints them).
class Hasher {
 public:
  explicit Hasher(Digest kind);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text) { update(std::as_bytes(std::span(text))); }
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string digest(Digest kind, std::string_view bytes);
inline std::string sha256(std::string_view bytes) { return digest(Digest::kSha256, bytes); }
std::string hmac_sha256(std::string_view key, std::string_view message);
std::string hmac_sha1(std::string_view key, std::string_view message);
bool equal_in_constant_time(std::string_view a, std::string_view b);

std::string to_hex(std::string_view bytes);
std::optional<std::string> from_hex(std::string_view text);
std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

}  // namespace clary
