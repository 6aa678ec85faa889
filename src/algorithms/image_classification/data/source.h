// SPDX-License-Identifier: Apache-2.0
// Encoded pictures in the order of one pass: what the loader's threads take from. Records, listed files and streams
// each have an implementation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace clary::image_classification {

/// One picture file with its label, on its way to a decoding thread; memory is used again.
struct Encoded {
  std::int64_t number = 0;  // in the channel, whatever the order of the pass: what its random numbers hang on
  std::vector<float> labels;
  std::span<const std::byte> file;  // in `memory`, or mapped
  std::string memory;
};

class Source {
 public:
  virtual ~Source() = default;
  /// Called once, before all others. @param batch  pictures that the trainer takes at a time
  virtual void start(std::int64_t /*batch*/) {}
  /// Takes the next picture; false at the end. One thread at a time; quick, but for streams, which read here.
  virtual bool take(Encoded& out) = 0;
  /// Fills in file and labels of a picture that was taken. Any number of threads.
  virtual void load(Encoded& picture) const = 0;
  /// "train/a.rec: record 12", "train/dog/3.jpg"
  virtual std::string name_of(const Encoded& picture) const = 0;
};

}  // namespace clary::image_classification
