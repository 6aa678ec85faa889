// SPDX-License-Identifier: Apache-2.0
// The labelled pictures of a channel, whatever form they came in (image records, listed files, an augmented manifest;
// File or Pipe mode), as batches of equal size of decoded, resized, augmented bytes.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "learning/nn/graph.h"
#include "learning/shell/train_context.h"
#include "learning/vision/augment.h"

namespace clary::image_classification {

struct PictureOptions {
  nn::MapShape image;                  // what the network reads
  std::optional<std::int64_t> resize;  // shorter side before the crop
  vision::Augmentation augmentation = vision::Augmentation::kNone;
  bool stretch = false;  // whole pictures, whatever their aspect, without resize and crop: as they are served
  bool shuffle = false;  // training: another order in every epoch
  std::int64_t classes = 0;
  bool multi_label = false;
  std::uint64_t seed = 1;
  int threads = 1;
};

/// Pictures of one batch; vectors keep their memory from one batch to the next.
struct Batch {
  std::int64_t pictures = 0;
  std::vector<std::uint8_t> pixels;  // [pictures, H, W, C]
  std::vector<float> labels;         // [pictures], or [pictures, classes] of 0 and 1 with multi_label
};

/// One reading of a channel from start to end.
class Pass {
 public:
  virtual ~Pass() = default;
  /// The next at most `pictures` of this host's; false at the end. Decoding runs ahead on other threads, but what a
  /// batch holds depends on seed, epoch and data alone.
  /// @throws Error{kInvalid, kMalformed} that names file or record, value and rule
  virtual bool next(Batch& out, std::int64_t pictures) = 0;
  /// Pictures so far that were smaller than the network's and enlarged; listed files that could not be read.
  virtual std::int64_t enlarged() const = 0;
  virtual std::int64_t skipped() const = 0;
};

class Pictures {
 public:
  virtual ~Pictures() = default;
  /// Of all hosts together; nothing in Pipe mode before the first pass has ended.
  virtual std::optional<std::int64_t> count() const = 0;
  /// This host's share of pass `epoch` (from 0). In Pipe mode passes must be started in order.
  virtual std::unique_ptr<Pass> pass(std::int64_t epoch) = 0;
  /// The same pictures with PictureOptions::stretch, after the passes of all epochs. Nothing where they cannot be read
  /// once more: a stream whose sender makes no FIFO within `patience`.
  virtual std::unique_ptr<Pass> stretched_pass(std::chrono::milliseconds patience) = 0;
  /// Names by class number, where the data has some (classes.txt, class-name of a manifest, folders of a list); may be
  /// empty.
  virtual std::vector<std::string> class_names() const = 0;
};

/// @param channel  "train" or "validation"; a list of pictures is looked for in "<channel>_lst"
/// Writes the log lines "Searching for .rec files in ..." and those of lists.
/// @throws Error{kInvalid} for a channel without data, two lists, a missing list, a content type that does not fit
std::unique_ptr<Pictures> open_pictures(shell::TrainContext& context, const std::string& channel,
                                        const PictureOptions& options);

}  // namespace clary::image_classification
