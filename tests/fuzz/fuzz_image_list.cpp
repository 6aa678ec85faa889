// SPDX-License-Identifier: Apache-2.0
// Lists of pictures: no path leaves the folder, every picture has labels; and the label text of a manifest.
#include <cmath>
#include <cstdlib>

#include "algorithms/image_classification/data/labels.h"
#include "base/error.h"
#include "base/text.h"
#include "formats/image_list.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void read_list(std::string_view text) {
  for (const auto& image : clary::formats::parse_image_list(text, "list").images) {
    require(!image.labels.empty() && !image.path.empty() && image.path.front() != '/');
    for (const float label : image.labels) require(std::isfinite(label));
    for (const auto part : clary::split(image.path, '/')) require(part != ".." && !part.empty());
  }
}

void read_label(std::string_view text) {
  bool is_list = false;
  const auto given = clary::image_classification::parse_label_text(text, is_list);
  std::vector<float> out;
  clary::image_classification::set_labels({5, is_list, text.size() % 2 == 0}, given, out);
  require(out.size() == (is_list ? 5U : 1U));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const auto read : {read_list, read_label}) try {
      read(input);
    } catch (const clary::Error&) {  // NOLINT: the expected answer
    }
  return 0;
}
