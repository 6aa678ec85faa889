// SPDX-License-Identifier: Apache-2.0
// Beam search by a trained model (README.md, "Decoding"): source ids in, target ids out. Used by the endpoint and, for
// BLEU, by the training job. Many threads may call translate() at once; the model does not change meanwhile.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "algorithms/seq2seq/model/architecture.h"
#include "algorithms/seq2seq/model/parameters.h"

namespace clary::seq2seq {

/// How the weights of matrices are kept (nn::WeightPrecision); embeddings, biases and all sums stay float32.
enum class Precision { kFloat32, kBFloat16, kInt8 };

/// What a translator needs of a model beside its parameters.
struct DecodeLimits {
  double length_ratio_mean = 1, length_ratio_std = 0;  // target / source length of the training pairs
  std::int64_t max_source = 100;                       // longer inputs are cut into pieces of that length
  std::int64_t max_target = 100;                       // of a convolutional decoder: words, the end included
  std::vector<std::int32_t> never;                     // target ids that have no word: never chosen
};

struct DecodeOptions {
  std::int64_t beam_size = 5;
  std::int64_t n_best = 1;  // <= beam_size
  bool attention = false;
};

struct Translation {
  std::vector<std::int32_t> ids;  // without kBegin, kEnd and kPad
  double score = 0;               // sum of -ln p over the length penalty; lower is better
  std::vector<float> attention;   // [ids, source length] where asked for
};

class Translator {
 public:
  /// Packs the weights; `parameters` are not needed afterwards.
  /// @throws Error{kInvalid} for kInt8 on a CPU without AVX-512 VNNI, and when no target word may be chosen
  Translator(const Architecture& architecture, const Parameters& parameters, DecodeLimits limits,
             Precision precision = Precision::kFloat32);
  Translator(Translator&&) noexcept;
  Translator& operator=(Translator&&) noexcept;
  ~Translator();

  /// For each source its n_best translations (fewer where the beam has fewer), best first. Sentences are decoded side
  /// by side, in an order of their own, by the calling thread and those that have nothing else to do; the result of
  /// each depends on nothing but itself, to the last bit.
  /// @param sources  ids of the source vocabulary; empty ones give one empty translation of score +inf
  /// @throws Error{kInvalid} for a beam_size or n_best below 1
  std::vector<std::vector<Translation>> translate(std::span<const std::vector<std::int32_t>> sources,
                                                  const DecodeOptions& options) const;

 private:
  struct Weights;
  std::unique_ptr<const Weights> weights_;
};

}  // namespace clary::seq2seq
