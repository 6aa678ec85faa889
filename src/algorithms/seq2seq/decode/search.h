// SPDX-License-Identifier: Apache-2.0
// Beam search of a group of sentences side by side on the calling thread. Internal to decode/.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "algorithms/seq2seq/decode/beam.h"
#include "algorithms/seq2seq/decode/decoder_steps.h"
#include "algorithms/seq2seq/decode/output_layer.h"
#include "algorithms/seq2seq/decode/sentence_encoder.h"

namespace clary::seq2seq {

/// A model ready to translate. Any number of threads.
struct SearchModel {
  std::unique_ptr<const SentenceEncoder> encoder;
  std::unique_ptr<const DecoderWeights> decoder;
  OutputLayer output;

  SearchModel(const Source& source, std::span<const std::int32_t> never);
};

/// @param sentences  of falling length, none empty; ids within the vocabulary
/// @param steps      [sentences]: most words of each translation, the end included
/// @return [sentences]: results of each, best first
std::vector<std::vector<Beam::Result>> search(const SearchModel& model, std::span<const Ids> sentences,
                                              std::span<const std::int64_t> steps, const DecodeOptions& options);

}  // namespace clary::seq2seq
