// SPDX-License-Identifier: Apache-2.0
// A trained encoder-decoder with what hosting needs: both vocabularies, the lengths of its training, its scores; how it
// is saved, loaded and asked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "algorithms/seq2seq/data/vocabulary.h"
#include "algorithms/seq2seq/decode/translator.h"
#include "algorithms/seq2seq/model/architecture.h"
#include "algorithms/seq2seq/model/parameters.h"
#include "base/json.h"
#include "learning/shell/finite_check.h"
#include "learning/shell/serve_request.h"

namespace clary::seq2seq {

class Model {
 public:
  Architecture architecture;
  Parameters parameters;
  Vocabulary source, target;
  double length_ratio_mean = 1, length_ratio_std = 0;  // target / source length of the training pairs
  std::int64_t beam_size = 5;
  Json training = Json::object();         // best checkpoint, history, counts of the data
  Json hyperparameters = Json::object();  // of the job

  /// model.safetensors, model.json, vocab.src.json, vocab.trg.json, metrics.tsv (README.md).
  void save(const std::filesystem::path& dir) const;
  /// Also a folder of Sockeye 1.x. @throws Error{kNotFound} without a model, Error{kMalformed, kLimit}
  static Model read(const std::filesystem::path& dir);
  /// Ready to answer; its parameters are given to the translator. @throws as read() does
  static Model load(const std::filesystem::path& dir);

  DecodeLimits decode_limits() const;
  void check_finite(const shell::FiniteCheck& check) const;

  /// JSON, JSON lines or RecordIO-protobuf (serve/answer.cpp). Needs load().
  shell::Answer answer(const shell::Invocation& invocation) const;

 private:
  DecodeLimits lengths() const;  // without the ids that are never chosen

  std::shared_ptr<const Translator> translator_;
};

}  // namespace clary::seq2seq
