// SPDX-License-Identifier: Apache-2.0
// Lists of labelled picture files (.lst), as MXNet's im2rec writes and SageMaker's image algorithms read them: a line a
// picture, fields separated by TAB: index, one or more labels, path relative to the folder of the pictures.
//   5<TAB>1.000000<TAB>your_dir/train_img_dog1.jpg
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace clary::formats {

constexpr std::uint64_t kMaxImageListBytes = std::uint64_t{1} << 30;

struct ListedImage {
  std::int64_t line = 0;      // from 1
  std::vector<float> labels;  // all columns between the first and the last; at least one
  std::string path;           // relative, without "." and ".." parts
};

struct ImageList {
  std::vector<ListedImage> images;
  std::int64_t malformed = 0;  // lines that were left out
  std::string first_problem;   // "line 7: ...", of the first of them
};

/// Lines that are malformed (fewer than three fields, an index or label that is no number, a path that leaves the
/// folder) are counted and left out, blank lines skipped.
/// @param name  what messages call the list
/// @throws Error{kMalformed} when more than 1 % of the lines are malformed, or none is good
ImageList parse_image_list(std::string_view text, const std::string& name);

}  // namespace clary::formats
