// SPDX-License-Identifier: Apache-2.0
// The vector loops, compiled for SSSE3, AVX2 and AVX-512 and chosen at run time (Highway). Weights are row-major
// float32 whose rows are padded with zeros to `stride` floats, a multiple of 16, and start on cache lines. The
// functions that change weights may run on many threads at once without locks (Hogwild): updates may then be lost,
// never torn within a float. Letters: d dimension, E input matrix, O output matrix.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace clary::blazingtext::kernels {

/// Writes the places where tokens begin and end, in turn, plus `base`, for text[0, size).
/// @param inside  whether the byte before text[0] belongs to a token
/// @param out     room for size + 64 places
/// The 64 bytes behind text[size - 1] are readable. @return number of places
std::size_t token_borders(const char* text, std::size_t size, std::uint32_t base, bool inside, std::uint32_t* out);

struct Weights {
  float* input = nullptr;   // E
  float* output = nullptr;  // O
  std::int64_t stride = 0;
};

/// One centre of skip-gram or cbow: h = mean of its feature rows of E, and pairs that are learned one after the other.
struct Step {
  std::int32_t first_feature = 0, features = 0;  // in Plan::features
  std::int32_t first_pair = 0, pairs = 0;        // in Plan::targets, each 1 + negatives long
  /// How far h moves when every feature row moves by g: 1 when the rows differ, sum of squared multiplicities /
  /// features in general.
  float feedback = 1;
};

struct Plan {
  std::span<const std::int32_t> features;  // rows of E
  std::span<const std::int32_t> targets;   // rows of O: of each pair first the true word, then the negatives
  std::span<const Step> steps;
  std::int32_t targets_per_pair = 0;
};

/// For every step, for every pair of it, with the pair's rows O_t:
///   a_t = rate * (label_t - sigmoid(O_t . h))          all of them first
///   g = 0; for each t: g += a_t O_t; O_t += a_t h      in order
///   every feature row += g, and so h += feedback * g
/// Source: Mikolov et al., "Distributed representations of words and phrases", NIPS 2013, in fastText's order of
/// updates. Differs: feature rows are written once a step, with the sum of all g; a negative drawn twice in one pair is
/// scored twice before it moves.
/// @param scratch  3 * stride + 2 * targets_per_pair + 64 floats, aligned to 64 bytes
void train_pairs(const Plan& plan, const Weights& weights, float rate, float* scratch);

std::size_t pair_scratch(std::int64_t stride, std::int32_t targets_per_pair);

/// One word of a block's samples.
struct Sample {
  std::int32_t row = 0;    // of O
  std::int32_t times = 1;  // how often it was drawn
};

/// Context words that share one set of samples: the true word first, then distinct negatives.
struct Block {
  std::int32_t first_input = 0, inputs = 0;    // in BlockPlan::inputs
  std::int32_t first_sample = 0, samples = 0;  // in BlockPlan::samples
};

struct BlockPlan {
  std::span<const std::int32_t> inputs;  // rows of E
  std::span<const Sample> samples;
  std::span<const Block> blocks;
  std::int32_t max_inputs = 0, max_samples = 0;  // of a block
};

/// For every block in turn, with S its sample rows of O and I its input rows of E:
///   F = S I^T;  G = rate * times_s * (label_s - sigmoid(F)), sigmoid 0 and 1 outside [-6, 6]
///   dS = G I;  dI = G^T S from the old values;  then S += dS, I += dI
/// Source: Ji et al., "Parallelizing word2vec in shared and distributed memory", arXiv 1604.04661. Differs: a word that
/// is an input of the block twice is read after its first update for dS.
/// @param scratch  block_scratch() floats, aligned to 64 bytes
void train_blocks(const BlockPlan& plan, const Weights& weights, float rate, float* scratch);

std::size_t block_scratch(std::int64_t stride, std::int32_t max_inputs, std::int32_t max_samples);

/// One line of labelled text.
struct Example {
  std::int32_t first_feature = 0, features = 0;  // in ExamplePlan::features; at least one
  std::int32_t label = 0;                        // the one to learn
  std::int32_t first_truth = 0, truths = 0;      // all of the line's labels, in ExamplePlan::truths; one-vs-all only
};

struct ExamplePlan {
  std::span<const std::int32_t> features;  // rows of E
  std::span<const Example> examples;
  std::int32_t labels = 0;                 // K, rows of O
  std::span<const std::int32_t> truths{};  // labels of the examples; one-vs-all only
};

/// For every example in turn: h = mean of its rows of E, p = softmax(O h),
///   a_k = rate * ([k = label] - p_k);  g = sum_k a_k O_k;  O_k += a_k h;  every feature row += g / features
/// which is a step of size `rate` against the gradient of -log p_label.
/// Source: Joulin et al., "Bag of tricks for efficient text classification", EACL 2017. Differs: nothing.
/// @param scratch  example_scratch() floats, aligned to 64 bytes
void train_examples(const ExamplePlan& plan, const Weights& weights, float rate, float* scratch);

/// Who reads fastText's files takes sigmoid from a table of 512 steps over [-8, 8] and rounds down, which is half a
/// step on average. One-vs-all learns the probabilities that they will answer: without it .002 of the labels of joined
/// AG News lines fell below 0.5.
inline constexpr float kTableShift = 1.0f / 64;

/// One-vs-all: every label is a question of its own, and a line answers all of them at once. As train_examples, but
///   a_k = rate * ([k in truths] - p_k), p_k = sigmoid(O_k . h - kTableShift)
/// which is a step of size `rate` against the gradient of -sum_k log(p_k if k in truths else 1 - p_k). The truths of
/// an example are different labels.
/// Source: fastText's one-vs-all loss. Differs: no table.
void train_all_labels(const ExamplePlan& plan, const Weights& weights, float rate, float* scratch);

/// best[i] = the label with the highest score of example i.
void best_labels(const ExamplePlan& plan, const Weights& weights, std::int32_t* best, float* scratch);

std::size_t example_scratch(std::int64_t stride, std::int32_t labels);

/// out[r] = row r . h for `count` rows of `columns` numbers that lie one behind the other; no alignment is needed.
void row_products(const float* rows, std::int64_t count, std::int64_t columns, const float* h, float* out);

inline constexpr std::int64_t kCentroids = 256;  // of a product quantiser: a byte names one

/// Columns [0, width) of `count` rows.
struct PointSet {
  const float* first = nullptr;
  std::int64_t count = 0, width = 0, stride = 0;
};

/// nearest[i * step] = number of the centroid with the least squared distance to point i; of equals the lowest. A point
/// that is not finite gets 0.
/// @param centroids  [width, kCentroids], column by column, aligned to 64 bytes
void nearest_centroids(const PointSet& points, const float* centroids, std::uint8_t* nearest, std::int64_t step);

}  // namespace clary::blazingtext::kernels
