// SPDX-License-Identifier: Apache-2.0
// S3's checksum algorithms by name, and how the checksums of parts make one of the whole.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"

namespace clary::objects {

/// "CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256" (any case); nothing for others.
std::optional<Digest> checksum_named(std::string_view name);

/// "CRC32", ...; "MD5" for the digest that is not one of S3's checksums here.
std::string_view checksum_name(Digest kind);

/// CRCs can be combined without the bytes; digests cannot.
bool can_be_full_object(Digest kind);

/// The CRC of a followed by b, from both CRCs (big endian, as Hasher gives them) and b's length.
std::string combined_crc(Digest kind, std::string_view a, std::string_view b, std::uint64_t length_of_b);

}  // namespace clary::objects
