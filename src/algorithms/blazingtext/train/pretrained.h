// SPDX-License-Identifier: Apache-2.0
// The channel `pretrained`: vectors that words start from, as fastText's -pretrainedVectors. A vectors.txt (*.vec,
// gzip or not) is read line by line, twice, so its size does not matter; a fastText *.bin is loaded.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "algorithms/blazingtext/data/vocabulary.h"
#include "algorithms/blazingtext/model/model.h"
#include "algorithms/blazingtext/train/weights.h"
#include "learning/shell/channel.h"

namespace clary::blazingtext {

inline constexpr const char* kPretrainedChannel = "pretrained";

class PretrainedVectors {
 public:
  /// @throws Error{kInvalid} when the channel holds no file, or more than one
  explicit PretrainedVectors(const shell::Channel& channel);
  PretrainedVectors(std::filesystem::path path, std::string name);

  /// Words of the file that the vocabulary lacks come behind its words (before labels), in the file's order and with a
  /// count of 1, as in fastText. @return how many
  /// @throws Error{kInvalid} when the file's dimension is another one, Error{kMalformed} naming the line and the rule
  std::int64_t add_words(Vocabulary& vocabulary, std::int64_t dimension) const;

  /// Puts the file's vectors into the words' rows of E. @return how many
  std::int64_t put_vectors(const Vocabulary& vocabulary, TrainingMatrix& input) const;

  const std::string& name() const { return name_; }

 private:
  using Use = std::function<void(std::string_view word, std::span<const float> vector)>;
  /// @param vectors  false: only words are wanted
  void for_each(std::int64_t dimension, bool vectors, const Use& use) const;
  void check_dimension(std::int64_t given, std::int64_t wanted) const;

  std::filesystem::path path_;
  std::string name_;
  std::shared_ptr<const Model> binary_;  // of a fastText file
};

}  // namespace clary::blazingtext
