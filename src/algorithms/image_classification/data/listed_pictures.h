// SPDX-License-Identifier: Apache-2.0
// Picture files of a folder with the labels that a list gives them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "algorithms/image_classification/data/labels.h"
#include "algorithms/image_classification/data/source.h"
#include "formats/image_list.h"

namespace clary::image_classification {

class ListedFiles {
 public:
  /// @param folder  where the list's paths begin
  /// @param channel, list_name  for messages
  /// @throws Error{kInvalid} that names the line and the value of a label that does not fit
  ListedFiles(std::filesystem::path folder, std::string channel, const std::string& list_name, formats::ImageList list,
              const LabelForm& form);

  std::int64_t count() const noexcept { return static_cast<std::int64_t>(images_.size()); }

  /// @throws Error when the file is missing or too large
  void load(Encoded& picture) const;
  std::string name_of(std::int64_t number) const;

  /// The folder of each class, when all pictures of a class lie in one folder and no two classes share one; else empty.
  std::vector<std::string> folders_of_classes() const;

 private:
  std::filesystem::path folder_;
  std::string channel_;
  std::vector<formats::ListedImage> images_;
  LabelForm form_;
};

}  // namespace clary::image_classification
