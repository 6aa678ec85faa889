// SPDX-License-Identifier: Apache-2.0
// What the program and its CUDA module (blazingtext_cuda.so, loaded at run time) say to each other: plain structs and a
// table of functions, C++17, no allocation across the border. Both are built together; `version` guards against a stale
// file. Pointers are host memory of the caller unless said otherwise. Letters: d dimension, E input matrix, O output
// matrix, K labels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/blazingtext/data/alias_table.h"

namespace clary::blazingtext::cuda {

inline constexpr std::int32_t kApiVersion = 2;
inline constexpr const char* kApiSymbol = "clary_blazingtext_cuda";
/// Ends a sentence in a stream of word numbers.
inline constexpr std::int32_t kSentenceEnd = -1;

struct Facts {
  char name[256];                // "NVIDIA H200"
  std::int32_t devices;          // of the machine; the first one is used
  std::int32_t multiprocessors;  // of the one used
  std::size_t free_bytes;        // of its memory
};

/// The matrices, row-major, rows padded with zeros to `stride` floats, a multiple of 16.
struct Matrices {
  float* input;   // E [input_rows, stride]
  float* output;  // O [output_rows, stride]
  std::int64_t input_rows, output_rows;
  std::int32_t stride;
};

/// Rows of E that stand for word w: rows[ends[w - 1] .. ends[w]), or row w alone where rows is null.
struct WordRowTable {
  const std::int32_t* rows;
  const std::int64_t* ends;
  const float* feedback;  // kernels::Step::feedback of each word
  std::int64_t words;
};

/// What skip-gram and cbow need beside the matrices.
struct PairWork {
  AliasTable negative_words;
  WordRowTable word_rows;
  bool cbow;
  std::int32_t window, negatives;
  std::uint64_t seed;
};

/// Some sentences: word numbers, kSentenceEnd behind every sentence.
struct PairChunk {
  const std::int32_t* ids;
  std::int32_t count;
  std::uint64_t first;  // number of ids[0] in the whole training, from which its random numbers follow
  float rate;
};

/// One line of labelled text, as kernels::Example.
struct Line {
  std::int32_t first_feature, features;  // in LineChunk::features; at least one
  std::int32_t label;                    // the one to learn; softmax only
  std::int32_t first_truth, truths;      // all labels, each once, in LineChunk::truths; one-vs-all only
};

struct LineChunk {
  const std::int32_t* features;  // rows of E
  const std::int32_t* truths;    // labels
  const Line* lines;
  std::int32_t feature_count, truth_count, line_count;
  bool one_vs_all;
  float rate;
};

struct Device;

/// Functions return null, or a message that lives until the next call.
struct Api {
  std::int32_t version;
  const char* (*open)(Device** device, Facts* facts);
  void (*close)(Device* device);
  /// Copies matrices and tables to the device. @param at_once  positions or lines that are learned side by side
  const char* (*begin_pairs)(Device* device, const Matrices&, const PairWork&, std::int32_t at_once);
  /// @param features, lines  most of a LineChunk
  /// E gets room for input_capacity rows.
  const char* (*begin_lines)(Device* device, const Matrices&, std::int64_t input_capacity, std::int32_t at_once);
  /// Rows first .. first + count - 1 of E, before chunks that use them. @param values  [count, stride]
  const char* (*put_rows)(Device* device, std::int64_t first, std::int64_t count, const float* values);
  /// Copies the chunk and returns while the device learns; waits when it is two chunks behind.
  const char* (*learn_pairs)(Device* device, const PairChunk&);
  const char* (*learn_lines)(Device* device, const LineChunk&);
  /// Waits for the device and copies the matrices back.
  const char* (*fetch)(Device* device, const Matrices&);
};

}  // namespace clary::blazingtext::cuda
