// SPDX-License-Identifier: Apache-2.0
#include "base/ids.h"

#include <sys/random.h>

#include <cerrno>
#include <vector>

#include "base/error.h"

namespace clary {

std::string random_hex(std::size_t bytes) {
  std::vector<unsigned char> raw(bytes);
  for (std::size_t done = 0; done < bytes;) {
    const ssize_t n = ::getrandom(raw.data() + done, bytes - done, 0);
    // A signal may interrupt, and long requests may be answered in parts. getrandom() blocks only until the kernel's
    // generator is initialised after boot.
    if (n < 0 && errno != EINTR) throw_errno("getrandom");
    if (n > 0) done += static_cast<std::size_t>(n);
  }
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes);
  for (const unsigned char b : raw) {
    out += kDigits[b >> 4];
    out += kDigits[b & 15];
  }
  return out;
}

std::string random_uuid() {
  std::string h = random_hex(16);
  // RFC 9562 section 5.4: version 4 and variant bits; everything else stays random.
  h[12] = '4';
  h[16] = "89ab"[(h[16] >= 'a' ? h[16] - 'a' + 10 : h[16] - '0') & 3];
  return h.substr(0, 8) + '-' + h.substr(8, 4) + '-' + h.substr(12, 4) + '-' + h.substr(16, 4) + '-' + h.substr(20);
}

}  // namespace clary
