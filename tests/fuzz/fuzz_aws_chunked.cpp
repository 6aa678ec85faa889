// SPDX-License-Identifier: Apache-2.0
// The first byte chooses the form, the rest is the body. Only ServiceError may escape; content never exceeds the input.
#include <cstdlib>
#include <string>

#include "platform/aws/aws_chunked.h"
#include "platform/aws/service_error.h"

using namespace clary::aws;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static const char* const kForms[] = {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
                                       "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"};
  AwsChunkedForm form = aws_chunked_form(kForms[data[0] % 3]).value();
  if ((data[0] & 4) != 0) form.signing_key = "key";
  const std::size_t step = 1 + (data[0] >> 3);
  std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
  AwsChunkedDecoder decoder(form);
  std::size_t content = 0;
  try {
    for (std::size_t at = 0; at < wire.size() && !decoder.done();) {
      const std::string_view piece = wire.substr(at, step);
      if (decoder.remaining() > 0) {
        const std::string_view part = piece.substr(0, std::min<std::uint64_t>(piece.size(), decoder.remaining()));
        decoder.content(part);
        content += part.size();
        at += part.size();
      } else {
        const std::size_t used = decoder.frame(piece);
        if (used == 0 && decoder.remaining() == 0 && !decoder.done()) std::abort();
        at += used;
      }
    }
    decoder.end();
  } catch (const ServiceError&) {
  }
  if (content > wire.size()) std::abort();
  return 0;
}
