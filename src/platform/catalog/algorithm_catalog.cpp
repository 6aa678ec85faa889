// SPDX-License-Identifier: Apache-2.0
#include "platform/catalog/algorithm_catalog.h"

#include <unistd.h>

#include "base/error.h"
#include "base/files.h"

namespace clary::catalog {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> strings(const Json& list, const std::string& what) {
  std::vector<std::string> out;
  if (!list.is_array()) throw Error(Kind::kInvalid, what + " must be a list of strings");
  for (const Json& item : list) {
    if (!item.is_string()) throw Error(Kind::kInvalid, what + " must be a list of strings");
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::string_view last_component(std::string_view repository) {
  const auto slash = repository.rfind('/');
  return slash == std::string_view::npos ? repository : repository.substr(slash + 1);
}

}  // namespace

void AlgorithmCatalog::add_builtins(const fs::path& folder, const std::map<std::string, fs::path>& files) {
  std::error_code ec;
  // The build writes <program>.json beside each program. A description whose program is missing is left out, so that a
  // partial build works.
  for (const auto& file : fs::directory_iterator(folder, ec)) {
    if (file.path().extension() != ".json") continue;
    fs::path program = file.path();
    program.replace_extension();
    if (::access(program.c_str(), X_OK) != 0) continue;
    // Entries are shared and immutable afterwards: a job or an endpoint keeps its entry for as long as it runs. The
    // catalogue itself is filled before the server accepts requests and only read then, from any thread.
    auto entry = std::make_shared<AlgorithmEntry>();
    try {
      entry->descriptor = parse_json(read_file(file.path(), 4U << 20U));
      entry->name = entry->descriptor.at("Name").get<std::string>();
      entry->argv = {program.string()};
      entry->read_only = {folder};
      entry->files = files;
      entry->builtin = true;
      for (const std::string& image : strings(entry->descriptor.at("Images"), "Images"))
        // emplace: the first program that claims an image keeps it; a user's image may replace it (add_user_image).
        by_image_.emplace(image, entry);
    } catch (const std::exception& error) {
      throw Error(Kind::kMalformed, file.path().string() + ": not an algorithm descriptor: " + error.what());
    }
    by_name_[entry->name] = entry;
  }
}

void AlgorithmCatalog::add_user_image(std::string_view image, std::vector<std::string> argv,
                                      std::vector<fs::path> read_only, bool machine_network) {
  const std::string label(image);
  if (image.empty()) throw Error(Kind::kInvalid, "algorithm image: the name must not be empty");
  if (argv.empty()) throw Error(Kind::kInvalid, "algorithm image " + label + ": the program must not be empty");
  if (!fs::path(argv[0]).is_absolute())
    throw Error(Kind::kInvalid, "algorithm image " + label + ": program " + argv[0] + " must be an absolute path");
  const ImageName name = parse_image(image);
  auto entry = std::make_shared<AlgorithmEntry>();
  entry->name = name.tag.empty() ? name.repository : name.repository + ":" + name.tag;
  entry->argv = std::move(argv);
  // Every argument that is a path of this machine must be seen inside too.
  for (const std::string& argument : entry->argv)
    if (fs::path(argument).is_absolute() && fs::exists(argument)) entry->read_only.emplace_back(argument);
  entry->machine_network = machine_network;
  entry->read_only.insert(entry->read_only.end(), read_only.begin(), read_only.end());
  by_image_[entry->name] = entry;
  by_name_[entry->name] = entry;
}

void AlgorithmCatalog::add_user_images(const Json& images) {
  if (!images.is_object()) throw Error(Kind::kInvalid, "Images must be an object of image names");
  for (const auto& [image, value] : images.items()) {
    const bool object = value.is_object();
    if (object && !value.contains("Program"))
      throw Error(Kind::kInvalid, "algorithm image " + image + ": Program is missing");
    std::vector<fs::path> read_only;
    if (object && value.contains("ReadOnly"))
      for (const std::string& path : strings(value["ReadOnly"], "algorithm image " + image + ": ReadOnly"))
        read_only.emplace_back(path);
    const Json network = object ? value.value("Network", Json("own")) : Json("own");
    if (network != "own" && network != "machine")
      throw Error(Kind::kInvalid, "algorithm image " + image + ": Network: " + dump_json(network) +
                                      " is neither \"own\" nor \"machine\"");
    add_user_image(image, strings(object ? value["Program"] : value, "algorithm image " + image + ": Program"),
                   std::move(read_only), network == "machine");
  }
}

AlgorithmCatalog::Entry AlgorithmCatalog::find(std::string_view image) const {
  const ImageName name = parse_image(image);
  // The registry plays no part (see parse_image()); a repository may still have folders.
  // Most specific first: whole repository with tag, then without, then the last component of the repository.
  for (const std::string& candidate :
       {name.repository + ":" + name.tag, name.repository,
        std::string(last_component(name.repository)) + ":" + name.tag, std::string(last_component(name.repository))})
    if (const auto found = by_image_.find(candidate); found != by_image_.end()) return found->second;
  return nullptr;
}

AlgorithmCatalog::Entry AlgorithmCatalog::resolve(std::string_view image) const {
  if (Entry entry = find(image)) return entry;
  std::string known;
  for (const auto& [name, entry] : by_image_) known += (known.empty() ? "" : ", ") + name;
  throw Error(Kind::kInvalid, "no algorithm answers to the image \"" + std::string(image) +
                                  "\"; this server knows: " + (known.empty() ? "none" : known));
}

std::vector<AlgorithmCatalog::Entry> AlgorithmCatalog::all() const {
  std::vector<Entry> entries;
  for (const auto& [name, entry] : by_name_) entries.push_back(entry);
  return entries;
}

}  // namespace clary::catalog
