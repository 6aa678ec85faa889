// SPDX-License-Identifier: Apache-2.0
// S3 addresses: what is accepted names a valid bucket, and reads back as itself.
#include <cstdlib>

#include "platform/objects/names.h"
#include "platform/objects/s3_uri.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace clary::objects;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  if (const auto uri = parse_s3_uri(text)) {
    const auto again = parse_s3_uri(to_string(*uri));
    if (!is_bucket_name(uri->bucket) || !again || again->bucket != uri->bucket || again->key != uri->key) std::abort();
  }
  bucket_of_s3_host(text);
  return 0;
}
