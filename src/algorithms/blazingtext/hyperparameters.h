// SPDX-License-Identifier: Apache-2.0
// BlazingText's hyperparameters: the struct, its one table, and the rules that need the job's machines and channels.
// Names that belong to another mode are accepted and have no effect, as notebooks send them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "learning/hyper/schema.h"

namespace clary::blazingtext {

enum class Mode { kBatchSkipgram, kSkipgram, kCbow, kSupervised };
/// Values as in fastText's files; the first two come from there only.
enum class Loss : std::int32_t { kHierarchicalSoftmax = 1, kNegativeSampling = 2, kSoftmax = 3, kOneVsAll = 4 };

/// What is done to text before it is cut at blanks (data/simple_text.h).
enum class TextRules { kNone, kSimple };

inline constexpr std::int64_t kMaxDimension = 2048;    // SageMaker's validator
inline constexpr std::int64_t kMaxRows = 0x7fff'ffff;  // fastText's files: row numbers are 32 bits

struct Hyperparameters {
  Mode mode = Mode::kBatchSkipgram;
  std::int64_t epochs = 5;
  double learning_rate = 0.05;
  std::int64_t min_count = 5;
  std::int64_t vector_dim = 100;
  std::int64_t buckets = 2'000'000;
  std::int64_t window_size = 5;        // word2vec
  std::int64_t negative_samples = 5;   // word2vec
  double sampling_threshold = 0.0001;  // word2vec
  std::int64_t batch_size = 11;        // batch_skipgram
  bool evaluation = true;              // word2vec
  bool subwords = false;               // cbow, skipgram
  std::int64_t min_char = 3;           // subwords
  std::int64_t max_char = 6;           // subwords
  std::int64_t word_ngrams = 2;        // supervised
  Loss loss = Loss::kSoftmax;          // supervised
  bool early_stopping = false;         // supervised
  std::int64_t patience = 4;           // early_stopping
  std::int64_t min_epochs = 5;         // early_stopping
  bool autotune = false;               // supervised
  bool quantize = false;               // supervised
  bool quantize_norms = false;         // quantize
  std::int64_t quantize_cutoff = 0;    // quantize; 0: all rows
  TextRules tokenizer = TextRules::kNone;
  bool write_word2vec_binary = false;   // word2vec
  std::string tuning_objective_metric;  // `_tuning_objective_metric`: set in a tuner's training jobs

  bool is_supervised() const { return mode == Mode::kSupervised; }
  /// subwords, where the mode has them.
  bool uses_subwords() const { return subwords && (mode == Mode::kCbow || mode == Mode::kSkipgram); }
  bool stops_early() const { return early_stopping && is_supervised(); }
  bool autotunes() const { return autotune && is_supervised(); }
  bool evaluates() const { return evaluation && !is_supervised(); }
};

const Schema<Hyperparameters>& schema();

/// "batch_skipgram", ...
std::string_view name_of(Mode mode);

/// What a job is made of, beside its hyperparameters.
struct JobShape {
  std::string instance_type{};  // "ml.p3.2xlarge"; empty when unknown
  std::int64_t instances = 1;
  bool has_validation = false;
};

/// ml.p2 .. ml.p5, ml.g4dn .. ml.g6 and the like: instance families with NVIDIA GPUs.
bool is_gpu_instance(std::string_view instance_type);

/// The rules of SageMaker's validator that span hyperparameters, instances and channels.
/// @throws Error{kInvalid} in its words
void check_job(const Hyperparameters& hp, const JobShape& job);

}  // namespace clary::blazingtext
