// SPDX-License-Identifier: Apache-2.0
#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/files.h"

namespace clary {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_errno("stat " + path.string());
  if (!S_ISREG(status.st_mode)) throw Error(Kind::kInvalid, path.string() + " is no regular file");
  if (status.st_size == 0) return;
  size_ = static_cast<std::size_t>(status.st_size);
  void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (address == MAP_FAILED) throw_errno("map " + path.string());
  address_ = address;
}

MappedFile::~MappedFile() {
  if (address_ != nullptr) ::munmap(address_, size_);
}

}  // namespace clary
