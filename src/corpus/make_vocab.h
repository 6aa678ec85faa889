// SPDX-License-Identifier: Apache-2.0
// Parallel text to what a sequence-to-sequence job is trained on: two vocabularies and files of records. The same files
// as AWS's create_vocab_proto.py makes (amazon-sagemaker-examples, seq2seq_translation_en-de), the records in the order
// of the lines.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "corpus/word_counts.h"

namespace clary::corpus {

struct MakeVocabOptions {
  std::filesystem::path train_source, train_target;
  std::filesystem::path val_source, val_target;      // empty: no validation file
  std::filesystem::path vocab_source, vocab_target;  // existing vocabularies; empty: made from the training text
  bool single_vocab = false;                         // one vocabulary of both training texts, by the source's rule
  VocabularyRule source, target;
  std::filesystem::path output = ".";                                        // folder; made if need be
  std::filesystem::path train_output = "train.rec", val_output = "val.rec";  // in `output`
  int threads = 0;                                                           // 0: as many as there are CPUs
};

/// Writes vocab.src.json and vocab.trg.json unless they are given, train.rec, and val.rec when there is validation
/// text.
/// @param say  gets a sentence for each step, and now and then the progress of a long one
/// @throws Error{kNotFound, kInvalid, kMalformed} naming file and rule
void make_vocab(const MakeVocabOptions& options, const std::function<void(const std::string&)>& say);

}  // namespace clary::corpus
