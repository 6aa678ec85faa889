// SPDX-License-Identifier: Apache-2.0
// skipgram, cbow and batch_skipgram: every thread takes sentences from the passes over the text and learns them into
// the common weights without locks (Hogwild; Niu et al., NIPS 2011).
#include <algorithm>
#include <memory>

#include "algorithms/blazingtext/cuda/pair_training.h"
#include "algorithms/blazingtext/data/ngrams.h"
#include "algorithms/blazingtext/data/sentences.h"
#include "algorithms/blazingtext/train/block_learner.h"
#include "algorithms/blazingtext/train/bucket_rows.h"
#include "algorithms/blazingtext/train/pair_learner.h"
#include "algorithms/blazingtext/train/progress.h"
#include "algorithms/blazingtext/train/schedule.h"
#include "algorithms/blazingtext/train/synchronisation.h"
#include "algorithms/blazingtext/train/trainer.h"
#include "algorithms/blazingtext/train/weights.h"
#include "base/error.h"

namespace clary::blazingtext {
namespace {

/// What all threads share.
struct Shared {
  const Hyperparameters& hp;
  const Vocabulary& vocabulary;
  const SubSampler& sampler;
  const NegativeSampler& negatives;
  const WordRows& rows;
  kernels::Weights weights;
  Passes& passes;
  Schedule& schedule;
  cuda::PairTraining* gpu;  // null: on the CPUs
};

std::unique_ptr<SentenceLearner> make_learner(const Shared& s) {
  if (s.gpu != nullptr) return s.gpu->learner();
  if (s.hp.mode != Mode::kBatchSkipgram) return std::make_unique<PairLearner>(s.hp, s.rows, s.negatives, s.weights);
  return std::make_unique<BlockLearner>(s.hp, s.vocabulary.end_of_line,
                                        static_cast<std::int32_t>(s.vocabulary.dictionary.nwords), s.negatives,
                                        s.weights);
}

/// Lines as fastText has them, or, for batch_skipgram, as word2vec does.
SentenceOptions sentence_options(const Hyperparameters& hp) {
  return hp.mode == Mode::kBatchSkipgram ? SentenceOptions{1000, false} : SentenceOptions{};
}

/// One thread's reader, learner and random numbers.
class Worker {
 public:
  Worker(const Shared& shared, SplitMix64 random)
      : shared_(shared),
        reader_(shared.passes, shared.vocabulary, shared.sampler, sentence_options(shared.hp)),
        learner_(make_learner(shared)),
        random_(random) {}

  /// Learns until the text ends or `more` says no.
  template <class More>
  void run(More&& more) {
    std::int64_t tokens = 0;
    while (!finished_ && more()) {
      finished_ = !reader_.next(sentence_, tokens, random_);
      if (finished_) break;
      // A rate read without lock: other threads advance it meanwhile.
      learner_->learn(sentence_, static_cast<float>(shared_.schedule.rate()), random_);
      shared_.schedule.add(tokens);
    }
    // Learners may hold back work (chunks for the GPU); before a meeting or the end it must be in the weights.
    learner_->finish();
  }
  bool finished() const { return finished_; }

 private:
  const Shared& shared_;
  SentenceReader reader_;
  std::unique_ptr<SentenceLearner> learner_;
  SplitMix64 random_;
  std::vector<std::int32_t> sentence_;
  bool finished_ = false;
};

/// Rows of frequent words' n-grams come first and lie together.
WordRows word_rows(const Hyperparameters& hp, const Dictionary& dictionary, BucketRows& buckets) {
  if (!hp.uses_subwords()) return {};
  std::vector<std::int32_t> rows;
  std::vector<std::int64_t> ends;
  for (std::int64_t w = 0; w < dictionary.nwords; ++w) {
    // A word's rows: its own first, then those of its n-grams.
    rows.push_back(static_cast<std::int32_t>(w));
    const std::string& word = dictionary.words[static_cast<std::size_t>(w)];
    if (word != kEndOfLine)
      for_each_char_ngram("<" + word + ">", hp.min_char, hp.max_char, [&](std::uint32_t hash) {
        const auto bucket = static_cast<std::int32_t>(hash % static_cast<std::uint32_t>(hp.buckets));
        rows.push_back(buckets.row(bucket, [](std::int32_t) {}));
      });
    ends.push_back(static_cast<std::int64_t>(rows.size()));
  }
  return {std::move(rows), std::move(ends)};
}

Vocabulary read_vocabulary(const TrainingJob& job, numeric::Team& team) {
  job.report.processing(job.train.name, job.train.bytes);
  VocabularyOptions options;
  options.min_count = job.hp.min_count;
  options.stopped = job.stopped;
  Vocabulary out = build_vocabulary(*job.train.open({}), team, options);
  job.report.words_read(out.dictionary.ntokens);
  if (job.pretrained)
    job.report.pretrained_words(job.pretrained->name(), job.pretrained->add_words(out, job.hp.vector_dim));
  job.report.vocabulary(out.dictionary.nwords, 0);
  // A text of empty lines has one word: </s>.
  if (out.dictionary.nwords == 0 || (out.dictionary.nwords == 1 && out.end_of_line == 0))
    throw Error(Kind::kInvalid, job.train.name + ": no word occurs min_count=" + std::to_string(options.min_count) +
                                    " times or more (" + std::to_string(out.dictionary.ntokens) +
                                    " words read); lower min_count or give more text");
  return out;
}

// Row numbers are 32 bits wide in the tables.
void check_rows(const Hyperparameters& hp, std::int64_t words) {
  if (words + (hp.uses_subwords() ? hp.buckets : 0) > kMaxRows)
    throw Error(Kind::kInvalid, "buckets: " + std::to_string(hp.buckets) + " and " + std::to_string(words) +
                                    " words are together more than " + std::to_string(kMaxRows) + " rows");
}

std::uint64_t fingerprint(const Dictionary& dictionary) {
  std::uint64_t out = 0;
  // Words and counts in order: equal only when the hosts have read the same text.
  for (std::size_t w = 0; w < dictionary.words.size(); ++w)
    out = SplitMix64(out ^ hash_of(dictionary.words[w]), static_cast<std::uint64_t>(dictionary.counts[w])).next();
  return out;
}

int rank_of(const TrainingJob& job) { return job.hosts == nullptr ? 0 : job.hosts->rank(); }
int hosts_of(const TrainingJob& job) { return job.hosts == nullptr ? 1 : job.hosts->size(); }

/// Blocks small enough that every thread of every host gets many.
TextOptions text_options(const TrainingJob& job) {
  TextOptions out;
  out.part = rank_of(job), out.parts = hosts_of(job);
  const auto workers = static_cast<std::uint64_t>(out.parts * job.threads);
  if (workers > 1 && job.train.bytes > 0)
    out.block_bytes = std::clamp<std::size_t>(job.train.bytes / (workers * 16), 16 << 10, out.block_bytes);
  return out;
}

/// E as the mode's papers and programs begin: fastText +-1/d, pWord2Vec +-0.5/d.
float first_bound(const Hyperparameters& hp) {
  return (hp.mode == Mode::kBatchSkipgram ? 0.5f : 1.0f) / static_cast<float>(hp.vector_dim);
}

/// E before learning: words, and with subwords the row of zeros and the buckets' rows.
TrainingMatrix first_input(const TrainingJob& job, std::int64_t words, const std::optional<BucketTable>& table,
                           numeric::Team& team) {
  const Hyperparameters& hp = job.hp;
  const float bound = first_bound(hp);
  const std::int64_t hashed = table ? 1 + std::ssize(table->entries()) : 0;
  // Not cleared first: every row is written below, by the thread that will own the page.
  TrainingMatrix out = TrainingMatrix::untouched(words + hashed, hp.vector_dim);
  out.rows = words;
  out.fill_uniform(bound, job.seed, team);
  if (!table) return out;
  out.rows += hashed;
  // The row of a bucket that no word uses.
  out.fill_row_zero(words);
  team.run([&](int thread) {
    const auto [begin, end] = numeric::share(std::ssize(table->entries()), thread, team.size());
    for (const auto& entry :
         table->entries().subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)))
      out.fill_row_uniform(words + entry.row, bound, job.seed, static_cast<std::uint64_t>(words + entry.bucket));
  });
  return out;
}

/// word2vec's and pWord2Vec's lowest rate; fastText goes to 0.
double rate_floor(const Hyperparameters& hp) { return hp.mode == Mode::kBatchSkipgram ? 1e-4 : 0; }

// Thread 0 reports progress beside its own work.
void learn_alone(const TrainingJob& job, numeric::Team& team, std::vector<Worker>& workers, Progress& progress) {
  team.run([&](int thread) {
    workers[static_cast<std::size_t>(thread)].run([&] {
      if (thread == 0) progress.update();
      return !job.stopped();
    });
  });
}

void learn_together(const TrainingJob& job, numeric::Team& team, std::vector<Worker>& workers, Progress& progress,
                    const Schedule& schedule, Synchronisation& hosts) {
  Synchronisation::State all;
  while (!all.finished && !all.stopped) {
    // Hosts meet after a slice of tokens, not of time: the meetings of all hosts are then alike.
    const std::int64_t slice_end = schedule.done() + Synchronisation::kSliceTokens * job.threads;
    team.run([&](int thread) {
      workers[static_cast<std::size_t>(thread)].run([&] {
        if (thread == 0) progress.update();
        return schedule.done() < slice_end && !job.stopped();
      });
    });
    // A host whose text has ended still takes part in the meetings until all have ended.
    const bool finished = std::all_of(workers.begin(), workers.end(), [](const Worker& w) { return w.finished(); });
    all = hosts.meet({finished, job.stopped()});
  }
}

}  // namespace

Model train_word_vectors(const TrainingJob& job) {
  const Hyperparameters& hp = job.hp;
  numeric::Team team(job.threads, rank_of(job), hosts_of(job));
  Vocabulary vocabulary = read_vocabulary(job, team);
  if (job.hosts != nullptr) check_same_words(*job.hosts, fingerprint(vocabulary.dictionary));
  const std::int64_t words = vocabulary.dictionary.nwords;
  check_rows(hp, words);

  Model model;
  model.settings = settings_of(hp);
  BucketRows buckets(model.settings.buckets, words, model.settings.buckets);
  const WordRows rows = word_rows(hp, vocabulary.dictionary, buckets);
  if (hp.uses_subwords()) {
    model.bucket_rows = buckets.table();
    job.report.buckets(buckets.used(), buckets.buckets());
  }
  TrainingMatrix input = first_input(job, words, model.bucket_rows, team);
  TrainingMatrix output(words, hp.vector_dim, team);
  if (job.pretrained) job.report.pretrained_vectors(job.pretrained->put_vectors(vocabulary, input));
  const SubSampler sampler(vocabulary.dictionary.counts, vocabulary.dictionary.ntokens, hp.sampling_threshold);
  job.report.thinning(static_cast<double>(vocabulary.known_tokens), sampler.kept(vocabulary.dictionary.counts), words);
  const NegativeSampler negatives(vocabulary.dictionary.counts);
  const std::int64_t tokens = vocabulary.known_tokens * hp.epochs;
  // All hosts' tokens together lower the rate: each host's schedule counts its own and multiplies.
  Schedule schedule(hp.learning_rate, rate_floor(hp), tokens, hosts_of(job));
  Passes passes(job.train, text_options(job), hp.epochs);
  std::optional<cuda::PairTraining> gpu;
  if (fits_gpu(job, cuda::PairTraining::bytes(input, output, rows)))
    gpu.emplace(*job.gpu, hp, rows, negatives, input, output, tokens, job.threads, job.seed);
  const Shared shared{hp,        vocabulary, sampler,
                      negatives, rows,       {input.values.data(), output.values.data(), input.stride},
                      passes,    schedule,   gpu ? &*gpu : nullptr};
  std::vector<Worker> workers;
  for (int t = 0; t < job.threads; ++t)
    // Each thread of each host draws from a stream of its own.
    workers.emplace_back(shared, SplitMix64(job.seed, static_cast<std::uint64_t>(1 + rank_of(job) * job.threads + t)));

  Progress progress(job.report, schedule, rank_of(job) > 0);
  if (job.hosts == nullptr) {
    learn_alone(job, team, workers, progress);
  } else {
    Synchronisation hosts(*job.hosts, input, output);
    learn_together(job, team, workers, progress, schedule, hosts);
  }
  // The weights on the host are old until then.
  if (gpu) gpu->fetch();
  progress.finish(!job.stopped());

  model.dictionary = std::move(vocabulary.dictionary);
  model.dictionary.build_index();
  model.input = input.take();
  model.output = output.take();
  return model;
}

}  // namespace clary::blazingtext
