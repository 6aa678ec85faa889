// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace clary {

void throw_errno(const std::string& what) {
  // errno first: building the message below may change it.
  const int code = errno;
  // A full disk or quota is kLimit, so that callers can wait for space instead of failing for good.
  const Kind kind = code == ENOSPC || code == EDQUOT ? Kind::kLimit
                    : code == ENOENT                 ? Kind::kNotFound
                                                     : Kind::kInternal;
  throw SystemError(kind, what + ": " + std::strerror(code));
}

}  // namespace clary
