// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/gunzip.h"

#include <zlib.h>

#include <vector>

#include "base/error.h"

namespace clary::agent {

bool inflate_file(const std::filesystem::path& file, const std::function<bool(const void*, std::size_t)>& sink) {
  gzFile in = ::gzopen(file.c_str(), "rb");
  if (in == nullptr) throw_errno(file.string());
  std::vector<char> buffer(1U << 18U);
  ::gzbuffer(in, 1U << 17U);
  bool more = true;
  int n = 0;
  // gzopen() reads a file without a gzip header as it is; gzdirect() says so after it has looked at the first bytes.
  const bool plain = ::gzdirect(in) == 1;
  while (!plain && more && (n = ::gzread(in, buffer.data(), static_cast<unsigned>(buffer.size()))) > 0)
    more = sink(buffer.data(), static_cast<std::size_t>(n));
  int code = Z_OK;
  const std::string reason = ::gzerror(in, &code);
  ::gzclose(in);
  if (plain) throw Error(Kind::kMalformed, "CompressionType Gzip: the object is not a gzip file");
  // After the sink has stopped the file is not read to its end, so that a cut cannot be noticed and is no error.
  if (more && (n < 0 || code == Z_BUF_ERROR))
    throw Error(Kind::kMalformed, "CompressionType Gzip: the gzip file is damaged or cut (" + reason + ")");
  return more;
}

}  // namespace clary::agent
