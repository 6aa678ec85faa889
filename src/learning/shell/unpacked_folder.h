// SPDX-License-Identifier: Apache-2.0
// A folder that holds an artifact, as files or as the model.tar.gz that a finished job left: channel `model`. Bytes
// that are read may come from strangers.
#pragma once

#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/files.h"

namespace clary::shell {

class UnpackedFolder {
 public:
  /// @throws Error{kMalformed, kLimit}
  explicit UnpackedFolder(const std::filesystem::path& folder);

  /// The folder, or what its model.tar.gz holds while this object lives.
  const std::filesystem::path& path() const { return path_; }

  /// Calls f(path()), which reads the artifact: the archive stands in its messages for the folder it was unpacked into.
  template <class F>
  auto read(F&& f) const {
    try {
      return f(path_);
    } catch (const Error& error) {
      throw Error(error.kind(), with_archive(error.what()));
    }
  }

 private:
  std::string with_archive(const std::string& message) const;

  std::optional<TemporaryFolder> temporary_;
  std::filesystem::path path_;
};

}  // namespace clary::shell
