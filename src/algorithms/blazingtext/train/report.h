// SPDX-License-Identifier: Apache-2.0
// The log of a training job, line by line as BlazingText's own (regexes and eyes know them). The trainer calls it at
// its points; nothing here measures. Only host 1 should report progress.
#pragma once

#include <cstdint>
#include <string>

#include "algorithms/blazingtext/cuda/api.h"
#include "algorithms/blazingtext/hyperparameters.h"
#include "learning/collective/collective.h"
#include "learning/shell/train_log.h"

namespace clary::blazingtext {

class Report {
 public:
  Report(shell::TrainLog& log, const Hyperparameters& hp) : log_(log), hp_(hp) {}

  /// "Running single machine CPU BlazingText training using skipgram mode."
  void running(const collective::Hosts& hosts, bool on_gpu = false);
  /// "Using GPU 0 of 4: NVIDIA A10G, 22731 MB free"
  void gpu_found(const cuda::Facts& facts);
  /// A GPU instance on a machine without a GPU that can be used.
  void no_gpu(const std::string& instance_type, const std::string& why);
  void gpu_too_small(std::size_t bytes, const cuda::Facts& facts);
  /// "Processing /opt/ml/input/data/train/text8 . File size: 95 MB"
  void processing(const std::string& path, std::uint64_t bytes);
  /// "Read 17M words"
  void words_read(std::int64_t tokens);
  /// "Number of words:  71290", and of labels in supervised mode
  /// @param largest_label  lines with the most frequent label
  void vocabulary(std::int64_t words, std::int64_t labels, std::int64_t largest_label = 0);
  /// Clary only, silent unless something is wrong: warns when thinning leaves under a tenth of the text, or when all
  /// epochs together show a word fewer than ten times on average; such vectors stay near where they began.
  /// @param known  words of the text that are in the vocabulary of `words`; @param kept  of them, after thinning
  void thinning(double known, double kept, std::int64_t words);
  /// Clary only: words of the channel `pretrained` that the text lacks, and words that begin at its vectors.
  void pretrained_words(const std::string& file, std::int64_t added);
  void pretrained_vectors(std::int64_t found);
  /// "Number of buckets used:  281234 of 2000000"
  void buckets(std::int64_t used, std::int64_t all);
  void validation_loading(const std::string& path);
  void validation_loaded();
  /// "Alpha: 0.0490  Progress: 2.07%  Million Words/sec: 3.95"; framed by ##### in supervised mode.
  /// @param done  share of the training, 0 .. 1
  void progress(double learning_rate, double done, double words_per_second);
  void epoch_ended(std::int64_t epoch);  // from 1
  /// "Validation accuracy: 0.969529" and what follows of it. @param bad_epochs  0: the accuracy is a new best
  void validation_accuracy(double accuracy, std::int64_t bad_epochs, int threads);
  /// "Training finished!", throughput and time.
  void finished(double words_per_second, double seconds);
  /// "#train_accuracy: 0.9866" and "Number of train examples: 112000"; a warning when the training hardly learned: less
  /// than a tenth of the way from the share of the most frequent label to 1.
  /// @param set  "train" or "validation"
  void accuracy(const std::string& set, double accuracy, std::int64_t examples);
  /// Of the set that was reported last: of the validation text, when there is one. 0 before any.
  double last_accuracy() const { return last_accuracy_; }

 private:
  shell::TrainLog& log_;
  const Hyperparameters& hp_;
  std::int64_t labels_ = 0, largest_label_ = 0;
  double last_accuracy_ = 0;
};

}  // namespace clary::blazingtext
