// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/data/listed_pictures.h"

#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "base/files.h"
#include "learning/vision/decode.h"

namespace clary::image_classification {

ListedFiles::ListedFiles(std::filesystem::path folder, std::string channel, const std::string& list_name,
                         formats::ImageList list, const LabelForm& form)
    : folder_(std::move(folder)), channel_(std::move(channel)), images_(std::move(list.images)), form_(form) {
  std::vector<float> labels;
  for (const formats::ListedImage& image : images_) try {
      set_labels(form_, image.labels, labels);
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("{}: line {} ({}): {}", list_name, image.line, image.path, error.what()));
    }
}

void ListedFiles::load(Encoded& picture) const {
  const formats::ListedImage& image = images_[static_cast<std::size_t>(picture.number)];
  set_labels(form_, image.labels, picture.labels);
  picture.memory = read_file(folder_ / image.path, vision::DecodeLimits{}.bytes);
  picture.file = std::as_bytes(std::span(picture.memory));
}

std::string ListedFiles::name_of(std::int64_t number) const {
  return channel_ + "/" + images_[static_cast<std::size_t>(number)].path;
}

std::vector<std::string> ListedFiles::folders_of_classes() const {
  if (form_.multi_label) return {};
  std::vector<std::string> out(static_cast<std::size_t>(form_.classes));
  for (const formats::ListedImage& image : images_) {
    const std::string folder = std::filesystem::path(image.path).parent_path().filename().string();
    std::string& name = out[static_cast<std::size_t>(image.labels[0])];
    if (folder.empty() || (!name.empty() && name != folder)) return {};
    name = folder;
  }
  const std::set<std::string> different(out.begin(), out.end());
  return different.size() == out.size() && !different.contains("") ? out : std::vector<std::string>{};
}

}  // namespace clary::image_classification
