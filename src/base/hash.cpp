// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <zlib.h>

#include <array>
#include <cstring>

#include "base/error.h"

namespace clary {

namespace {

/// Slicing-by-8 tables of a reflected CRC with polynomial P (already bit-reversed).
/// Eight bytes at a time: table[k][b] is the CRC of byte b followed by k zero bytes, so that the contributions of
/// eight bytes are added (xor) independently.
template <class Word, Word P>
struct ReflectedCrc {
  std::array<std::array<Word, 256>, 8> table{};
  constexpr ReflectedCrc() {
    for (unsigned i = 0; i < 256; ++i) {
      Word c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c & 1) != 0 ? (c >> 1) ^ P : c >> 1;
      table[0][i] = c;
    }
    for (unsigned i = 0; i < 256; ++i)
      for (std::size_t k = 1; k < 8; ++k) table[k][i] = (table[k - 1][i] >> 8) ^ table[0][table[k - 1][i] & 255];
  }
  Word update(Word crc, const unsigned char* p, std::size_t n) const {
    for (; n >= 8; n -= 8, p += 8) {
      // The CRC of the bytes before enters with the first bytes; for 32-bit words only the lower half changes.
      std::uint64_t v;
      std::memcpy(&v, p, 8);
      v ^= crc;
      Word next = 0;
      for (std::size_t k = 0; k < 8; ++k) next ^= table[7 - k][(v >> (8 * k)) & 255];
      crc = next;
    }
    for (; n > 0; --n, ++p) crc = static_cast<Word>((crc >> 8) ^ table[0][(crc ^ *p) & 255]);
    return crc;
  }
};

constexpr ReflectedCrc<std::uint32_t, 0x82F63B78U> kCrc32cTable;               // Castagnoli, RFC 3720
constexpr ReflectedCrc<std::uint64_t, 0x9A6C9329AC4BC9B5ULL> kCrc64NvmeTable;  // NVMe, poly 0xAD93D23594C93659

std::string big_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>((value >> (8 * i)) & 255);
  return out;
}

const EVP_MD* message_digest(Digest kind) {
  switch (kind) {
    case Digest::kMd5:
      return EVP_md5();
    case Digest::kSha1:
      return EVP_sha1();
    case Digest::kSha256:
      return EVP_sha256();
    default:
      return nullptr;
  }
}

std::string hmac(const EVP_MD* kind, std::string_view key, std::string_view message) {
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (HMAC(kind, key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(message.data()),
           message.size(), out, &length) == nullptr)
    throw Error(Kind::kInternal, "OpenSSL HMAC failed");
  return {reinterpret_cast<char*>(out), length};
}

}  // namespace

namespace {

/// OpenSSL 3 looks an algorithm up by name each time a digest begins; fetched once, short texts cost a third.
const EVP_MD* fetched_sha256() {
  static const EVP_MD* const kind = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return kind;
}

constexpr std::size_t kSha256Block = 64, kSha256Bytes = 32;

/// One digest over two pieces, with a context that this thread keeps.
std::string sha256_of(std::string_view first, std::string_view second) {
  struct Context {
    EVP_MD_CTX* md = EVP_MD_CTX_new();
    ~Context() { EVP_MD_CTX_free(md); }
  };
  thread_local const Context context;
  std::string out(kSha256Bytes, '\0');
  if (EVP_DigestInit_ex2(context.md, fetched_sha256(), nullptr) != 1 ||
      EVP_DigestUpdate(context.md, first.data(), first.size()) != 1 ||
      EVP_DigestUpdate(context.md, second.data(), second.size()) != 1 ||
      EVP_DigestFinal_ex(context.md, reinterpret_cast<unsigned char*>(out.data()), nullptr) != 1)
    throw Error(Kind::kInternal, "OpenSSL SHA-256 failed");
  return out;
}

}  // namespace

struct Hasher::State {
  Digest kind;
  EVP_MD_CTX* context = nullptr;
  std::uint64_t crc = 0;
  ~State() { EVP_MD_CTX_free(context); }
};

Hasher::Hasher(Digest kind) : state_(std::make_unique<State>()) {
  state_->kind = kind;
  if (const EVP_MD* md = message_digest(kind)) {
    state_->context = EVP_MD_CTX_new();
    if (state_->context == nullptr || EVP_DigestInit_ex(state_->context, md, nullptr) != 1)
      throw Error(Kind::kInternal, "OpenSSL digest is not available");
  } else if (kind == Digest::kCrc32c) {
    // CRCs start with all ones; zlib's crc32_z() does that (and the final inversion) itself.
    state_->crc = 0xFFFFFFFFU;
  } else if (kind == Digest::kCrc64Nvme) {
    state_->crc = ~0ULL;
  }
}

Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(std::span<const std::byte> bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  switch (state_->kind) {
    case Digest::kCrc32:
      state_->crc = ::crc32_z(state_->crc, p, bytes.size());
      return;
    case Digest::kCrc32c:
      state_->crc = kCrc32cTable.update(static_cast<std::uint32_t>(state_->crc), p, bytes.size());
      return;
    case Digest::kCrc64Nvme:
      state_->crc = kCrc64NvmeTable.update(state_->crc, p, bytes.size());
      return;
    default:
      EVP_DigestUpdate(state_->context, p, bytes.size());
  }
}

std::string Hasher::finish() {
  switch (state_->kind) {
    case Digest::kCrc32:
      return big_endian(state_->crc, 4);
    case Digest::kCrc32c:
      return big_endian(state_->crc ^ 0xFFFFFFFFU, 4);
    case Digest::kCrc64Nvme:
      return big_endian(~state_->crc, 8);
    default:
      break;
  }
  unsigned char out[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  EVP_DigestFinal_ex(state_->context, out, &length);
  return {reinterpret_cast<char*>(out), length};
}

std::string digest(Digest kind, std::string_view bytes) {
  if (kind == Digest::kSha256) return sha256_of(bytes, {});
  Hasher hasher(kind);
  hasher.update(bytes);
  return hasher.finish();
}

// Written out instead of OpenSSL's HMAC(), which allocates contexts: a signed request needs one to five of these.
std::string hmac_sha256(std::string_view key, std::string_view message) {  // RFC 2104
  std::string block(kSha256Block, '\0');
  const std::string short_key = key.size() > kSha256Block ? sha256_of(key, {}) : std::string(key);
  std::memcpy(block.data(), short_key.data(), short_key.size());
  for (char& c : block) c = static_cast<char>(c ^ 0x36);
  const std::string inner = sha256_of(block, message);
  for (char& c : block) c = static_cast<char>(c ^ 0x36 ^ 0x5C);
  return sha256_of(block, inner);
}
std::string hmac_sha1(std::string_view key, std::string_view message) { return hmac(EVP_sha1(), key, message); }

// The length is not secret; the content is compared without an early exit.
bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string to_hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const char c : bytes) {
    out += kDigits[static_cast<unsigned char>(c) >> 4];
    out += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view text) {
  const auto value = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = value(text[i]), low = value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
  }
  return out;
}

std::string to_base64(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(n));
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  // Strict: whole groups of four. EVP_DecodeBlock() counts padding as zero bytes, which are cut off below.
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.empty()) return std::string();
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string out(3 * text.size() / 4, '\0');
  const int n = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  if (n < 0) return std::nullopt;
  out.resize(static_cast<std::size_t>(n) - padding);
  return out;
}

}  // namespace clary
