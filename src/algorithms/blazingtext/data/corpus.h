// SPDX-License-Identifier: Apache-2.0
// A channel's text as often as it is needed: one pass to count words, then one a training epoch, shared by all threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "algorithms/blazingtext/data/text_source.h"
#include "learning/shell/channel.h"

namespace clary::blazingtext {

struct Corpus {
  std::function<std::unique_ptr<TextSource>(const TextOptions&)> open;  // starts the next pass
  std::string name;         // for the log: the file, or the channel's folder
  std::uint64_t bytes = 0;  // 0: unknown (a pipe)
};

/// Files (File, FastFile), FIFOs of text, or of RecordIO pairs from an augmented manifest.
/// @throws Error{kInvalid} when a File channel holds no data
Corpus corpus_of(shell::Channel& channel);
/// Plain files, for tests and benchmarks.
Corpus corpus_of(std::vector<formats::InputFile> files, std::string name);

/// The blocks of several passes one after the other. Any thread may call next(); the next pass is opened by the first
/// thread that finds the last one empty, while others still work on its blocks.
class Passes {
 public:
  Passes(const Corpus& corpus, TextOptions options, std::int64_t passes)
      : corpus_(corpus), options_(options), left_(passes) {}
  bool next(TextBlock& out);

 private:
  const Corpus& corpus_;
  TextOptions options_;
  std::mutex mutex_;  // guards what follows
  std::int64_t left_;
  std::shared_ptr<TextSource> current_;
};

}  // namespace clary::blazingtext
