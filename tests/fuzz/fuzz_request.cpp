// SPDX-License-Identifier: Apache-2.0
// Inference bodies of every type, and the content type itself. The first byte picks type and layout.
#include <cstdlib>

#include "base/error.h"
#include "formats/request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clary::formats;
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  const char* const types[] = {"application/json", "application/jsonlines", "text/csv",
                               "application/x-recordio-protobuf"};
  RequestOptions options;
  options.layout = static_cast<Layout>((data[0] >> 2) % 3);
  options.allow_tokens = (data[0] & 32) != 0;
  options.max_rows = 1000;
  options.max_values = 100000;
  const std::int64_t width = (data[0] & 64) != 0 ? 2 : 0;
  try {
    const Batch rows =
        decode_request(parse_content_type(types[data[0] & 3]), std::as_bytes(std::span(body)), width, options);
    if (rows.rows < 1 || rows.rows > options.max_rows) std::abort();
    if (width > 0 && rows.width != width) std::abort();
    if (!rows.sparse && rows.values.size() != static_cast<std::size_t>(rows.rows * rows.width)) std::abort();
    if (rows.sparse && rows.offsets.size() != static_cast<std::size_t>(rows.rows + 1)) std::abort();
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed && error.kind() != clary::Kind::kLimit) std::abort();
  }
  for (const ContentType& type : parse_accept(body)) {
    type.format();
    type.text();
    try {
      type.label_size();
      type.require_utf8();
    } catch (const clary::Error& error) {
      if (error.kind() != clary::Kind::kInvalid) std::abort();
    }
  }
  return 0;
}
