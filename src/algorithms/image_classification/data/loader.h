// SPDX-License-Identifier: Apache-2.0
// Threads that decode ahead of the trainer into a ring of prepared pictures.
#pragma once

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "algorithms/image_classification/data/pictures.h"
#include "algorithms/image_classification/data/source.h"
#include "base/mutex.h"

namespace clary::image_classification {

struct LoaderRules {
  std::string channel;  // for messages
  std::int64_t epoch = 0;
  std::int64_t may_skip_of = 0;  // a file that cannot be read is left out while that are at most 1 % of this many
  bool replace_skipped = false;  // by the picture before, so that all hosts have the same number
};

/// Bytes at most of prepared pictures: those that wait in the ring, and a batch, which is copied while it grows.
/// @param pictures  of a batch
std::int64_t loader_memory(const nn::MapShape& image, int threads, std::int64_t pictures);

/// A pass over a source. Pictures enter the ring in the source's order: thread and time decide nothing but the speed.
class Loader : public Pass {
 public:
  /// @param log  outlives the loader
  Loader(std::unique_ptr<Source> source, const PictureOptions& options, LoaderRules rules, shell::TrainLog& log);
  ~Loader() override;

  bool next(Batch& out, std::int64_t pictures) override;
  std::int64_t enlarged() const override { return enlarged_; }
  std::int64_t skipped() const override { return skipped_; }

 private:
  /// A place in the ring. Between `ready` and being taken it is the consumer's, else the thread's that claimed it.
  struct Slot {
    bool ready = false;  // guarded by mutex_
    bool enlarged = false;
    std::vector<std::uint8_t> pixels;
    std::vector<float> labels;
    std::string problem;       // not empty: the file could not be read and may be skipped
    std::exception_ptr error;  // ends the pass
  };

  void start(std::int64_t pictures);
  void work();
  Slot* claim(Encoded& picture) EXCLUDES(mutex_);
  void prepare(class Preparer& preparer, Encoded& picture, Slot& slot) const;
  void publish(Slot& slot);
  Slot* wait_for_next() EXCLUDES(mutex_);
  void release() EXCLUDES(mutex_);
  void make_room(Batch& out, std::int64_t pictures) const;
  void append(const std::vector<std::uint8_t>& pixels, const std::vector<float>& labels, Batch& out) const;
  void skip(const std::string& problem);
  void fill_up(Batch& out, std::int64_t pictures);
  bool end_pass();

  const std::unique_ptr<Source> source_;
  const PictureOptions options_;
  const LoaderRules rules_;
  shell::TrainLog& log_;
  const std::size_t picture_bytes_;

  // The consumer's.
  std::int64_t enlarged_ = 0, skipped_ = 0;
  std::int64_t owed_ = 0;  // pictures that are to be repeated in place of skipped ones
  std::vector<std::uint8_t> last_pixels_;
  std::vector<float> last_labels_;
  bool reported_ = false;

  std::vector<Slot> ring_;  // sized before the threads start
  Mutex source_mutex_;      // taken before mutex_; held while the source is asked for the next picture
  Mutex mutex_;
  Condition room_, filled_;
  std::int64_t claimed_ GUARDED_BY(mutex_) = 0;  // slots given to threads
  std::int64_t taken_ GUARDED_BY(mutex_) = 0;    // slots given back by the consumer
  bool ended_ GUARDED_BY(mutex_) = false;        // the source has no more: claimed_ is final
  std::atomic<bool> stopping_{false};            // written under mutex_

  std::vector<std::thread> threads_;
};

}  // namespace clary::image_classification
