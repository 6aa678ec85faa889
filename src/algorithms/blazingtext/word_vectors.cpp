// SPDX-License-Identifier: Apache-2.0
// skipgram, cbow and batch_skipgram: every thread takes sentences from the passes over the text and learns them into
// the common weights without locks (Hogwild; Niu et al., NIPS 2011).
#include <chrono>
#include <memory>

#include "algorithms/blazingtext/ngrams.h"
#include "algorithms/blazingtext/pair_learner.h"
#include "algorithms/blazingtext/progress.h"
#include "algorithms/blazingtext/schedule.h"
#include "algorithms/blazingtext/sentences.h"
#include "algorithms/blazingtext/trainer.h"
#include "algorithms/blazingtext/weights.h"
#include "base/error.h"

namespace clary::blazingtext {
namespace {

/// What all threads share.
struct Shared {
  const Hyperparameters& hyperparameters;
  const Vocabulary& vocabulary;
  const SubSampler& sampler;
  const NegativeSampler& negatives;
  const WordRows& rows;
  kernels::Weights weights;
  Passes& passes;
  Schedule& schedule;
};

/// One thread's reader, learner and random numbers.
class Worker {
 public:
  Worker(const Shared& shared, std::uint64_t seed, std::uint64_t stream)
      : shared_(shared),
        reader_(shared.passes, shared.vocabulary, shared.sampler, SentenceOptions{}),
        learner_(shared.hyperparameters, shared.rows, shared.negatives, shared.weights),
        random_(seed, stream) {}

  /// Learns until the text ends (then false) or `more` says no.
  template <class More>
  bool run(More&& more) {
    std::int64_t tokens = 0;
    while (more()) {
      if (!reader_.next(sentence_, tokens, random_)) return false;
      learner_.learn(sentence_, static_cast<float>(shared_.schedule.rate()), random_);
      shared_.schedule.add(tokens);
    }
    return true;
  }

 private:
  const Shared& shared_;
  SentenceReader reader_;
  PairLearner learner_;
  Random random_;
  std::vector<std::int32_t> sentence_;
};

WordRows word_rows(const Hyperparameters& h, const Dictionary& dictionary) {
  if (!h.uses_subwords()) return {};
  std::vector<std::int32_t> rows;
  std::vector<std::int64_t> ends;
  const auto buckets = static_cast<std::uint32_t>(h.buckets);
  for (std::int64_t w = 0; w < dictionary.nwords; ++w) {
    rows.push_back(static_cast<std::int32_t>(w));
    const std::string& word = dictionary.words[static_cast<std::size_t>(w)];
    if (word != kEndOfLine)
      for_each_char_ngram("<" + word + ">", h.min_char, h.max_char, [&](std::uint32_t hash) {
        rows.push_back(static_cast<std::int32_t>(dictionary.nwords + hash % buckets));
      });
    ends.push_back(static_cast<std::int64_t>(rows.size()));
  }
  return {std::move(rows), std::move(ends)};
}

Vocabulary read_vocabulary(const TrainingJob& job, numeric::Team& team) {
  job.report.processing(job.train.name, job.train.bytes);
  VocabularyOptions options;
  options.min_count = job.hyperparameters.min_count;
  options.stopped = job.stopped;
  Vocabulary out = build_vocabulary(*job.train.open({}), team, options);
  job.report.words_read(out.dictionary.ntokens);
  job.report.vocabulary(out.dictionary.nwords, 0);
  if (out.dictionary.nwords == 0)
    throw Error(Kind::kInvalid, job.train.name + ": no word occurs min_count=" + std::to_string(options.min_count) +
                                    " times or more (" + std::to_string(out.dictionary.ntokens) +
                                    " words read); lower min_count or give more text");
  return out;
}

void check_rows(const Hyperparameters& h, std::int64_t words) {
  if (words + (h.uses_subwords() ? h.buckets : 0) > kMaxRows)
    throw Error(Kind::kInvalid, "buckets: " + std::to_string(h.buckets) + " and " + std::to_string(words) +
                                    " words are together more than " + std::to_string(kMaxRows) + " rows");
}

}  // namespace

Model train_word_vectors(const TrainingJob& job) {
  const Hyperparameters& h = job.hyperparameters;
  if (h.mode == Mode::kBatchSkipgram)
    throw Error(Kind::kInvalid, "mode: this version has no batch_skipgram yet; it has skipgram, cbow and supervised");
  numeric::Team team(job.threads);
  Vocabulary vocabulary = read_vocabulary(job, team);
  const std::int64_t words = vocabulary.dictionary.nwords;
  check_rows(h, words);

  const WordRows rows = word_rows(h, vocabulary.dictionary);
  TrainingMatrix input(words + (h.uses_subwords() ? h.buckets : 0), h.vector_dim), output(words, h.vector_dim);
  input.fill_uniform(1.0f / static_cast<float>(h.vector_dim), job.seed, team);
  const SubSampler sampler(vocabulary.dictionary.counts, vocabulary.dictionary.ntokens, h.sampling_threshold);
  const NegativeSampler negatives(vocabulary.dictionary.counts);
  Schedule schedule(h.learning_rate, 0, vocabulary.known_tokens * h.epochs);
  Passes passes(job.train, {}, h.epochs);
  const Shared shared{h,         vocabulary, sampler,
                      negatives, rows,       {input.values.data(), output.values.data(), input.stride},
                      passes,    schedule};

  Progress progress(job.report, schedule);
  team.run([&](int thread) {
    Worker worker(shared, job.seed, 1 + static_cast<std::uint64_t>(thread));
    worker.run([&] {
      if (thread == 0) progress.tell();
      return !job.stopped();
    });
  });
  progress.finish();

  Model model;
  model.settings = settings_of(h);
  model.dictionary = std::move(vocabulary.dictionary);
  model.dictionary.build_index();
  model.input = input.take();
  model.output = output.take();
  return model;
}

}  // namespace clary::blazingtext
