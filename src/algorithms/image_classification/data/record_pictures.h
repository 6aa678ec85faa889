// SPDX-License-Identifier: Apache-2.0
// Image records (.rec files of MXNet's im2rec) in File mode: mapped, indexed once, read in any order.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "algorithms/image_classification/data/labels.h"
#include "algorithms/image_classification/data/source.h"
#include "base/mapped_file.h"
#include "formats/row_reader.h"

namespace clary::image_classification {

class RecordFiles {
 public:
  /// Goes through all frames and checks all labels. @throws Error{kInvalid, kMalformed} that names file, record and
  /// value
  RecordFiles(const std::vector<formats::InputFile>& files, const LabelForm& form);

  std::int64_t count() const noexcept { return static_cast<std::int64_t>(places_.size()); }

  void load(Encoded& picture) const;
  std::string name_of(std::int64_t number) const;

 private:
  struct File {
    std::string name;
    MappedFile mapped;
    std::int64_t first_record;
  };
  struct Place {
    std::uint32_t file;
    std::uint64_t offset;
  };
  void index(std::uint32_t file);

  LabelForm form_;
  std::vector<File> files_;
  std::vector<Place> places_;
};

}  // namespace clary::image_classification
