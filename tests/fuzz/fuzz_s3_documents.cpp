// SPDX-License-Identifier: Apache-2.0
// XML bodies of S3 requests: only Error{kMalformed} may escape.
#include <cstdlib>

#include "base/error.h"
#include "platform/services/s3/documents.h"

namespace {

template <class F>
void expect_only_malformed(F f) {
  try {
    f();
  } catch (const clary::Error& e) {
    if (e.kind() != clary::Kind::kMalformed) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace clary::s3;
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  expect_only_malformed([&] {
    if (parse_delete(text).entries.size() > static_cast<std::size_t>(kMaxDeleteKeys)) std::abort();
  });
  expect_only_malformed([&] {
    for (const auto& part : parse_complete_multipart(text))
      if (part.number < 1 || part.number > clary::objects::kMaxParts) std::abort();
  });
  expect_only_malformed([&] { parse_tagging(text); });
  expect_only_malformed([&] { parse_location_constraint(text); });
  return 0;
}
