// SPDX-License-Identifier: Apache-2.0
// Which program answers to which image. Built-ins come from the descriptors (`<name>.json`) that lie beside the
// algorithm programs; a user's own come from the configuration. An image is looked up by repository and tag only, so
// any registry host, or none, will do.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "contract/image.h"

namespace clary::catalog {

struct AlgorithmEntry {
  std::string name;
  std::vector<std::string> argv;                       // program and leading arguments; `train` or `serve` follows
  std::vector<std::filesystem::path> read_only;        // files and folders the sandbox must show it, read-only
  std::map<std::string, std::filesystem::path> files;  // shown to its training jobs, too: variable -> path
  Json descriptor = Json::object();                    // what `<program> describe` prints; {} for a user's own
  bool builtin = false;
  bool machine_network = false;  // training sees this machine's network: a user's own only
};

using contract::ImageName;
using contract::parse_image;

class AlgorithmCatalog {
 public:
  using Entry = std::shared_ptr<const AlgorithmEntry>;

  /// Adds every <name>.json of the folder whose program <name> lies beside it.
  /// @param files  what all of them may read beside a job's own data, such as CLARY_WORDSIM: variable -> path
  /// @throws Error{kMalformed} naming the file when a descriptor is not one
  void add_builtins(const std::filesystem::path& folder,
                    const std::map<std::string, std::filesystem::path>& files = {});

  /// A user's own algorithm. `image` is "repository" (any tag) or "repository:tag".
  void add_user_image(std::string_view image, std::vector<std::string> argv,
                      std::vector<std::filesystem::path> read_only = {}, bool machine_network = false);

  /// Adds the members of {"<image>": {"Program": ["/path", "arg"...], "ReadOnly": ["/path"...], "Network": "own" or
  /// "machine"}, ...}; an array instead of the object is the program alone. @throws Error{kInvalid} naming the image
  /// and the rule
  void add_user_images(const Json& images);

  /// Null when no entry answers to the image. A user's entry wins over a built-in.
  Entry find(std::string_view image) const;
  /// @throws Error{kInvalid} naming the image and those that exist
  Entry resolve(std::string_view image) const;
  std::vector<Entry> all() const;  // by name

 private:
  std::map<std::string, Entry, std::less<>> by_image_;
  std::map<std::string, Entry, std::less<>> by_name_;
};

}  // namespace clary::catalog
