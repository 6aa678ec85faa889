// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/model/settings.h"

namespace clary::blazingtext {
namespace {

std::int32_t narrow(std::int64_t value) { return static_cast<std::int32_t>(value); }  // the schema bounds it

void add_word_vector_settings(Settings& out, const Hyperparameters& h) {
  out.architecture = h.mode == Mode::kCbow ? Architecture::kCbow : Architecture::kSkipgram;
  out.loss = Loss::kNegativeSampling;
  if (!h.uses_subwords()) return;
  out.buckets = narrow(h.buckets);
  out.min_char = narrow(h.min_char), out.max_char = narrow(h.max_char);
}

void add_classifier_settings(Settings& out, const Hyperparameters& h) {
  out.architecture = Architecture::kSupervised;
  out.loss = h.loss;
  out.word_ngrams = narrow(h.word_ngrams);
  if (h.word_ngrams > 1) out.buckets = narrow(h.buckets);
}

}  // namespace

Settings settings_of(const Hyperparameters& h) {
  Settings out;
  out.dim = narrow(h.vector_dim), out.window_size = narrow(h.window_size), out.epochs = narrow(h.epochs);
  out.min_count = narrow(h.min_count), out.negative_samples = narrow(h.negative_samples);
  out.sampling_threshold = h.sampling_threshold;
  if (h.is_supervised())
    add_classifier_settings(out, h);
  else
    add_word_vector_settings(out, h);
  return out;
}

}  // namespace clary::blazingtext
