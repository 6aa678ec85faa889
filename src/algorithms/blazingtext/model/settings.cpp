// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/model/settings.h"

namespace clary::blazingtext {
namespace {

std::int32_t narrow(std::int64_t value) { return static_cast<std::int32_t>(value); }  // the schema bounds it

void add_word_vector_settings(Settings& out, const Hyperparameters& hp) {
  out.architecture = hp.mode == Mode::kCbow ? Architecture::kCbow : Architecture::kSkipgram;
  out.loss = Loss::kNegativeSampling;
  if (!hp.uses_subwords()) return;
  out.buckets = narrow(hp.buckets);
  out.min_char = narrow(hp.min_char), out.max_char = narrow(hp.max_char);
}

void add_classifier_settings(Settings& out, const Hyperparameters& hp) {
  out.architecture = Architecture::kSupervised;
  out.loss = hp.loss;
  out.word_ngrams = narrow(hp.word_ngrams);
  if (hp.word_ngrams > 1) out.buckets = narrow(hp.buckets);
}

}  // namespace

Settings settings_of(const Hyperparameters& hp) {
  Settings out;
  out.dim = narrow(hp.vector_dim), out.window_size = narrow(hp.window_size), out.epochs = narrow(hp.epochs);
  out.min_count = narrow(hp.min_count), out.negative_samples = narrow(hp.negative_samples);
  out.sampling_threshold = hp.sampling_threshold;
  if (hp.is_supervised())
    add_classifier_settings(out, hp);
  else
    add_word_vector_settings(out, hp);
  return out;
}

}  // namespace clary::blazingtext
