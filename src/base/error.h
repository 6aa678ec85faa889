// SPDX-License-Identifier: Apache-2.0
// The one exception type of the project. Throw it when a request, job or command cannot go on; the message names the
// thing, the value and the rule ("knn: k: 7 exceeds sample_size 5"). What the caller expects to happen is returned
// instead.
#pragma once

#include <stdexcept>
#include <string>

namespace clary {

enum class Kind { kInvalid, kMalformed, kNotFound, kConflict, kDenied, kLimit, kUnavailable, kCancelled, kInternal };

class Error : public std::runtime_error {
 public:
  Error(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  Kind kind() const noexcept { return kind_; }

 private:
  Kind kind_;
};

/// Of the operating system. The message names files of this machine: it is for the log and the operator, not for
/// clients.
class SystemError : public Error {
 public:
  using Error::Error;
};

/// Throws SystemError{kInternal} (kLimit for ENOSPC, kNotFound for ENOENT) with "<what>: <strerror(errno)>".
[[noreturn]] void throw_errno(const std::string& what);

}  // namespace clary
