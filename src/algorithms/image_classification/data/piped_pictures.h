// SPDX-License-Identifier: Apache-2.0
// Pictures of a stream in Pipe mode: image records, or an augmented manifest's attributes, each framed as a RecordIO
// record: picture, label text, picture, label text, ... (and the label's metadata, where the job names that attribute
// too). Which of the two it is, the first record shows.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/image_classification/data/labels.h"
#include "algorithms/image_classification/data/source.h"
#include "base/mutex.h"
#include "formats/image_record.h"
#include "formats/recordio_stream.h"
#include "learning/numeric/philox.h"

namespace clary::image_classification {

/// What a pass learns about the channel. Thread-safe.
class StreamFacts {
 public:
  void set_count(std::int64_t count) EXCLUDES(mutex_);
  std::optional<std::int64_t> count() const EXCLUDES(mutex_);
  void set_name(std::int64_t label, std::string name) EXCLUDES(mutex_);
  /// By class; empty unless all `classes` have one.
  std::vector<std::string> names(std::int64_t classes) const EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::optional<std::int64_t> count_ GUARDED_BY(mutex_);
  std::map<std::int64_t, std::string> names_ GUARDED_BY(mutex_);
};

struct StreamRules {
  LabelForm form;
  int rank = 0, hosts = 1;  // of every `hosts` pictures, this host takes number `rank`
  bool training = false;    // shuffled; what is left of the last `hosts` pictures is left out
  std::uint64_t seed = 1;
  std::int64_t epoch = 0;
};

class PipedPictures : public Source {
 public:
  /// @param name  of the stream, for messages: "train_0"
  PipedPictures(std::unique_ptr<formats::ByteSource> bytes, std::string name, const StreamRules& rules,
                std::shared_ptr<StreamFacts> facts);

  void start(std::int64_t batch) override;
  bool take(Encoded& out) override;
  void load(Encoded& picture) const override;
  std::string name_of(const Encoded& picture) const override;

 private:
  bool take_share(Encoded& out);
  bool take_one(Encoded& out);
  void look_at_first(const std::string& payload);
  void read_record(Encoded& out);
  void read_sample(Encoded& out);
  void read_metadata(const Encoded& sample, const std::string& text);
  bool next_payload(std::string& payload);

  std::string name_;
  StreamRules rules_;
  std::shared_ptr<StreamFacts> facts_;
  formats::RecordIoStream records_;
  formats::ImageRecord record_;
  enum class Form { kUnknown, kRecords, kManifest } form_ = Form::kUnknown;
  std::optional<std::string> ahead_;  // a payload that was read, but is the next picture's
  std::string label_;                 // text
  std::int64_t pictures_ = 0;
  bool ended_ = false;
  Encoded others_;  // pictures of other hosts

  // Shuffling: of the pictures here a random one is next, and another takes its place.
  numeric::PhiloxStream random_;
  std::size_t wanted_ = 1;
  std::vector<Encoded> buffer_;
  std::size_t buffered_bytes_ = 0;
};

}  // namespace clary::image_classification
