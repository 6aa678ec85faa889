// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace clary {

void throw_errno(const std::string& what) {
  const int code = errno;
  const Kind kind = code == ENOSPC || code == EDQUOT ? Kind::kLimit
                    : code == ENOENT                 ? Kind::kNotFound
                                                     : Kind::kInternal;
  throw SystemError(kind, what + ": " + std::strerror(code));
}

}  // namespace clary
