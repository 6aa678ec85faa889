// SPDX-License-Identifier: Apache-2.0
// Combining: with reflected CRCs, crc(a b) = crc(a) * x^(8 |b|) xor crc(b) in GF(2)[x] modulo the polynomial, because
// the initial and final inversions cancel.
#include "platform/objects/checksum.h"

#include "base/error.h"
#include "base/text.h"

namespace clary::objects {

namespace {

struct Field {
  std::uint64_t polynomial;  // reflected: the coefficient of x^0 is the top bit
  int bits;
};

Field field_of(Digest kind) {
  switch (kind) {
    case Digest::kCrc32:
      return {0xEDB88320U, 32};
    case Digest::kCrc32c:
      return {0x82F63B78U, 32};
    case Digest::kCrc64Nvme:
      return {0x9A6C9329AC4BC9B5ULL, 64};
    default:
      throw Error(Kind::kInvalid, "only CRCs can be combined");
  }
}

// Multiplication in GF(2)[x] / P by shift and add (Russian peasant): the coefficient of x^0 is the highest bit, so
// that multiplying by x is a shift to the right.
std::uint64_t multiply(std::uint64_t a, std::uint64_t b, Field field) {
  std::uint64_t product = 0;
  for (int i = field.bits - 1; i >= 0; --i) {  // from x^0, the top bit
    if ((a >> i) & 1) product ^= b;
    b = (b & 1) != 0 ? (b >> 1) ^ field.polynomial : b >> 1;
  }
  return product;
}

std::uint64_t from_big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return value;
}

}  // namespace

std::optional<Digest> checksum_named(std::string_view name) {
  const std::string n = lower(name);
  if (n == "crc32") return Digest::kCrc32;
  if (n == "crc32c") return Digest::kCrc32c;
  if (n == "crc64nvme") return Digest::kCrc64Nvme;
  if (n == "sha1") return Digest::kSha1;
  if (n == "sha256") return Digest::kSha256;
  return std::nullopt;
}

std::string_view checksum_name(Digest kind) {
  switch (kind) {
    case Digest::kCrc32:
      return "CRC32";
    case Digest::kCrc32c:
      return "CRC32C";
    case Digest::kCrc64Nvme:
      return "CRC64NVME";
    case Digest::kSha1:
      return "SHA1";
    case Digest::kSha256:
      return "SHA256";
    case Digest::kMd5:
      break;
  }
  return "MD5";
}

bool can_be_full_object(Digest kind) {
  return kind == Digest::kCrc32 || kind == Digest::kCrc32c || kind == Digest::kCrc64Nvme;
}

std::string combined_crc(Digest kind, std::string_view a, std::string_view b, std::uint64_t length_of_b) {
  const Field field = field_of(kind);
  // x^(8 n) by square and multiply: log2(n) steps instead of n. "one" is the polynomial 1 in the reflected form.
  const std::uint64_t one = 1ULL << (field.bits - 1);
  std::uint64_t shift = one, square = one >> 8;  // x^8: one byte
  for (std::uint64_t n = length_of_b; n > 0; n >>= 1, square = multiply(square, square, field))
    if (n & 1) shift = multiply(shift, square, field);
  const std::uint64_t crc = multiply(from_big_endian(a), shift, field) ^ from_big_endian(b);
  std::string out;
  for (int i = field.bits - 8; i >= 0; i -= 8) out += static_cast<char>((crc >> i) & 255);
  return out;
}

}  // namespace clary::objects
