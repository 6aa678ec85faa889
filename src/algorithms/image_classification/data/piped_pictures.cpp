// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/data/piped_pictures.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "formats/recordio.h"
#include "learning/vision/decode.h"

namespace clary::image_classification {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{512} << 20;  // of encoded pictures that are shuffled
constexpr std::size_t kBufferBatches = 10;
constexpr std::size_t kMaxNameBytes = 1024;           // of a class
constexpr std::uint64_t kShuffleKey = 0x73687566ULL;  // "shuf": apart from what else is drawn with the seed

std::size_t max_record_bytes() { return vision::DecodeLimits{}.bytes + (std::size_t{1} << 20); }

}  // namespace

void StreamFacts::set_count(std::int64_t count) {
  MutexLock lock(mutex_);
  count_ = count;
}

std::optional<std::int64_t> StreamFacts::count() const {
  MutexLock lock(mutex_);
  return count_;
}

void StreamFacts::set_name(std::int64_t label, std::string name) {
  MutexLock lock(mutex_);
  names_[label] = std::move(name);
}

std::vector<std::string> StreamFacts::names(std::int64_t classes) const {
  MutexLock lock(mutex_);
  if (names_.size() != static_cast<std::size_t>(classes)) return {};
  std::vector<std::string> out;
  for (const auto& [label, name] : names_) out.push_back(name);
  return out;
}

PipedPictures::PipedPictures(std::unique_ptr<formats::ByteSource> bytes, std::string name, const StreamRules& rules,
                             std::shared_ptr<StreamFacts> facts)
    : name_(name),
      rules_(rules),
      facts_(std::move(facts)),
      records_(std::move(bytes), std::move(name), max_record_bytes()),
      random_(rules.seed ^ kShuffleKey, static_cast<std::uint64_t>(rules.epoch)) {}

void PipedPictures::start(std::int64_t batch) { wanted_ = kBufferBatches * static_cast<std::size_t>(batch); }

bool PipedPictures::take(Encoded& out) {
  if (!rules_.training) return take_share(out);
  while (!ended_ && buffer_.size() < wanted_ && buffered_bytes_ < kBufferBytes) {
    Encoded next;
    if (!take_share(next)) break;
    buffered_bytes_ += next.memory.size();
    buffer_.push_back(std::move(next));
  }
  if (buffer_.empty()) return false;
  std::swap(buffer_[random_.below(buffer_.size())], buffer_.back());
  out = std::move(buffer_.back());
  buffer_.pop_back();
  buffered_bytes_ -= out.memory.size();
  return true;
}

bool PipedPictures::take_share(Encoded& out) {
  bool mine = false;
  for (int host = 0; host < rules_.hosts; ++host) {
    if (!take_one(host == rules_.rank ? out : others_)) return mine && !rules_.training;
    mine = mine || host == rules_.rank;
  }
  return true;
}

bool PipedPictures::take_one(Encoded& out) {
  if (ended_ || !next_payload(out.memory)) {
    if (!std::exchange(ended_, true)) facts_->set_count(pictures_);
    return false;
  }
  if (form_ == Form::kUnknown) look_at_first(out.memory);
  out.number = pictures_++;
  try {
    form_ == Form::kManifest ? read_sample(out) : read_record(out);
  } catch (const Error& error) {
    throw Error(error.kind(), name_of(out) + ": " + error.what());
  }
  return true;
}

bool PipedPictures::next_payload(std::string& payload) {
  if (!ahead_) return records_.next(payload);
  payload = std::move(*ahead_);
  ahead_.reset();
  return true;
}

void PipedPictures::look_at_first(const std::string& payload) {
  const auto bytes = std::as_bytes(std::span(payload));
  const std::string_view magic(reinterpret_cast<const char*>(&formats::kRecordIoMagic), sizeof formats::kRecordIoMagic);
  if (payload.starts_with(magic))
    throw Error(Kind::kInvalid, name_ +
                                    ": holds whole RecordIO files in records; the files are records already, so "
                                    "RecordWrapperType must be None");
  if (payload.size() < formats::kImageHeaderBytes && !vision::looks_like_picture(bytes))
    throw Error(Kind::kInvalid, name_ +
                                    ": begins with a record that is neither a picture nor an image record; "
                                    "AttributeNames must be the picture and then its label");
  form_ = vision::looks_like_picture(bytes) ? Form::kManifest : Form::kRecords;
}

void PipedPictures::read_record(Encoded& out) {
  formats::parse_image_record(std::as_bytes(std::span(out.memory)), record_);
  set_labels(rules_.form, record_.labels, out.labels);
  out.memory.erase(0, out.memory.size() - record_.picture.size());
}

void PipedPictures::read_sample(Encoded& out) {
  if (!next_payload(label_))
    throw Error(Kind::kMalformed, "has no label; AttributeNames must be the picture and then its label");
  bool is_list = false;
  const std::vector<float> given = parse_label_text(label_, is_list);
  if (is_list && !rules_.form.multi_label)
    throw Error(Kind::kInvalid, fmt::format("the label is a list, but multi_label is 0: {}", label_.substr(0, 100)));
  set_labels(rules_.form, given, out.labels);
  std::string next;
  if (!records_.next(next)) return;
  if (next.starts_with('{')) {
    read_metadata(out, next);
  } else {
    ahead_ = std::move(next);
  }
}

/// Ground Truth's "class-name": "dog" of one label, "class-map": {"0": "dog", ...} of several.
void PipedPictures::read_metadata(const Encoded& sample, const std::string& text) {
  const Json metadata = parse_json(text);
  const auto note = [this](std::int64_t label, const Json& name) {
    if (label < 0 || label >= rules_.form.classes || !name.is_string()) return;
    facts_->set_name(label, name.get<std::string>().substr(0, kMaxNameBytes));
  };
  if (metadata.contains("class-name") && !rules_.form.multi_label)
    note(static_cast<std::int64_t>(sample.labels[0]), metadata["class-name"]);
  if (!metadata.contains("class-map") || !metadata["class-map"].is_object()) return;
  for (const auto& [label, name] : metadata["class-map"].items())
    if (!label.empty() && label.size() < 10 && label.find_first_not_of("0123456789") == std::string::npos)
      note(std::stoll(label), name);
}

void PipedPictures::load(Encoded& picture) const { picture.file = std::as_bytes(std::span(picture.memory)); }

std::string PipedPictures::name_of(const Encoded& picture) const {
  return fmt::format("{}: {} {}", name_, form_ == Form::kManifest ? "sample" : "record", picture.number + 1);
}

}  // namespace clary::image_classification
