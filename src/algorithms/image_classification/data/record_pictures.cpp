// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/data/record_pictures.h"

#include <fmt/format.h>

#include "base/error.h"
#include "formats/byte_source.h"
#include "formats/image_record.h"
#include "formats/recordio.h"

namespace clary::image_classification {

RecordFiles::RecordFiles(const std::vector<formats::InputFile>& files, const LabelForm& form) : form_(form) {
  for (const formats::InputFile& file : files) {
    files_.push_back({file.name, MappedFile(file.path), count()});
    index(static_cast<std::uint32_t>(files_.size() - 1));
  }
}

void RecordFiles::index(std::uint32_t file) {
  const File& f = files_[file];
  if (formats::is_gzip(f.mapped.bytes()))
    throw Error(Kind::kInvalid, f.name + ": is compressed by gzip; image records are read as they are in File mode");
  formats::RecordIoReader reader(f.mapped.bytes(), f.name);
  formats::ImageRecord record;
  std::vector<float> labels;
  while (const auto frame = reader.next()) {
    const std::string name = fmt::format("{}: record {}", f.name, count() - f.first_record + 1);
    bool has_id = false;
    try {
      formats::parse_image_record(frame->payload, record);
      has_id = true;
      set_labels(form_, record.labels, labels);
    } catch (const Error& error) {
      throw Error(error.kind(),
                  fmt::format("{}{}: {}", name, has_id ? fmt::format(" (id {})", record.id) : "", error.what()));
    }
    places_.push_back({file, frame->offset});
  }
}

void RecordFiles::load(Encoded& picture) const {
  const Place& place = places_[static_cast<std::size_t>(picture.number)];
  const File& file = files_[place.file];
  const auto mapped = file.mapped.bytes();
  formats::RecordIoReader reader(mapped.subspan(place.offset), file.name, place.offset);
  auto payload = reader.next()->payload;  // there, and well formed: the index has seen it
  const bool joined = payload.data() < mapped.data() || payload.data() >= mapped.data() + mapped.size();
  if (joined) {  // from parts, in the reader's memory
    picture.memory.assign(reinterpret_cast<const char*>(payload.data()), payload.size());
    payload = std::as_bytes(std::span(picture.memory));
  }
  formats::ImageRecord record;
  formats::parse_image_record(payload, record);
  set_labels(form_, record.labels, picture.labels);
  picture.file = record.picture;
}

std::string RecordFiles::name_of(std::int64_t number) const {
  const File& file = files_[places_[static_cast<std::size_t>(number)].file];
  return fmt::format("{}: record {}", file.name, number - file.first_record + 1);
}

}  // namespace clary::image_classification
