// SPDX-License-Identifier: Apache-2.0
// Channels in File mode -> vocabularies and pairs of id sequences, checked and counted.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "algorithms/seq2seq/data/pairs.h"
#include "algorithms/seq2seq/data/vocabulary.h"
#include "learning/shell/channel.h"

namespace clary::seq2seq {

struct Vocabularies {
  Vocabulary source, target;
};

/// vocab.src.json and vocab.trg.json of the channel.
/// @throws Error{kInvalid} when one is missing or there twice, Error{kMalformed} as Vocabulary::parse() does
Vocabularies read_vocabularies(const shell::Channel& channel);

struct ReadOptions {
  std::int64_t max_source = 100;                              // words; what is longer is cut
  std::int64_t max_target = 100;                              // words + 1, as <s> takes a place; >= 2
  std::int64_t source_vocabulary = 0, target_vocabulary = 0;  // largest id + 1
};

/// What was read of one side.
struct SideCounts {
  std::int64_t cut = 0;      // pairs that were longer than allowed
  std::int64_t words = 0;    // that were kept
  std::int64_t unknown = 0;  // of them, <unk>
  /// Share of the words that the vocabulary has.
  double coverage() const { return words == 0 ? 0 : 1 - static_cast<double>(unknown) / static_cast<double>(words); }
};

struct PairData {
  Pairs pairs;
  std::int64_t records = 0;      // that the files hold
  std::int64_t empty = 0;        // left out, as one of their sides has no words
  std::int64_t from_floats = 0;  // whose ids were in a tensor of floats
  SideCounts source, target;
  /// Of (target words + 1) / source words over the pairs; the deviation is that of the whole population.
  double length_ratio_mean = 1, length_ratio_std = 0;
};

/// The records of all files of the channel, in the order of their names.
/// Padding (id 0) behind the words is left out; elsewhere it becomes <unk>.
/// @throws Error{kInvalid} for a channel without files or without a pair, Error{kMalformed} naming channel, record
/// (from
///         0), feature and rule
PairData read_pairs(const shell::Channel& channel, const ReadOptions& options);
/// The same for plain files, for tests and benchmarks. @param name  what messages call them
PairData read_pairs(std::span<const formats::InputFile> files, const std::string& name, const ReadOptions& options);

}  // namespace clary::seq2seq
