// SPDX-License-Identifier: Apache-2.0
// supervised: every thread takes lines from the pass and learns them into the common weights without locks; after each
// epoch the threads meet, for early stopping looks at the validation text. The first epoch gives rows to the buckets
// that it meets; buckets that only validation text has count as rows of zeros.
// Letters: K labels.
#include <algorithm>
#include <cstring>

#include "algorithms/blazingtext/bucket_rows.h"
#include "algorithms/blazingtext/cuda/line_training.h"
#include "algorithms/blazingtext/early_stopping.h"
#include "algorithms/blazingtext/lines.h"
#include "algorithms/blazingtext/progress.h"
#include "algorithms/blazingtext/random.h"
#include "algorithms/blazingtext/schedule.h"
#include "algorithms/blazingtext/trainer.h"
#include "algorithms/blazingtext/weights.h"
#include "base/error.h"

namespace clary::blazingtext {
namespace {

constexpr std::size_t kPlanFeatures = 1024;  // about 16 lines: enough to fetch rows ahead over the borders of lines

/// A few lines for one call of a kernel.
struct Lines {
  std::vector<std::int32_t> features, truths;
  std::vector<kernels::Example> examples;

  /// @param row_of  row of E of a bucket
  template <class RowOf>
  void add(const Line& line, std::int32_t label, const BucketRows& buckets, RowOf&& row_of) {
    for (const std::int32_t bucket : line.buckets) buckets.prefetch(bucket);
    examples.push_back({static_cast<std::int32_t>(features.size()),
                        static_cast<std::int32_t>(line.words.size() + line.buckets.size()), label});
    features.insert(features.end(), line.words.begin(), line.words.end());
    for (const std::int32_t bucket : line.buckets) features.push_back(row_of(bucket));
  }
  /// The labels of the line added last, for one-vs-all; one that it has twice counts once.
  void add_truths(std::vector<std::int32_t>& labels) {
    std::sort(labels.begin(), labels.end());
    labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
    examples.back().first_truth = static_cast<std::int32_t>(truths.size());
    examples.back().truths = static_cast<std::int32_t>(labels.size());
    truths.insert(truths.end(), labels.begin(), labels.end());
  }
  void clear() { features.clear(), truths.clear(), examples.clear(); }
  bool is_full(std::size_t size = kPlanFeatures) const { return features.size() >= size; }
};

bool is_example(const Line& line) { return !line.labels.empty() && !(line.words.empty() && line.buckets.empty()); }

/// Buckets that the text may use: no more than n-grams begin with its words.
std::int64_t most_buckets(const Hyperparameters& h, const Dictionary& dictionary) {
  if (h.word_ngrams < 2) return 0;
  return std::min(h.buckets, dictionary.ntokens * std::min<std::int64_t>(h.word_ngrams - 1, 1 << 20));
}

struct Accuracy {
  std::int64_t right = 0, examples = 0;
  double value() const { return examples == 0 ? 0 : static_cast<double>(right) / static_cast<double>(examples); }
};

class Classifier {
 public:
  Classifier(const TrainingJob& job, numeric::Team& team, const Vocabulary& vocabulary)
      : job_(job),
        h_(job.hyperparameters),
        team_(team),
        rules_(h_, vocabulary),
        labels_(static_cast<std::int32_t>(vocabulary.dictionary.nlabels)),
        words_(vocabulary.dictionary.nwords),
        buckets_(h_.word_ngrams > 1 ? h_.buckets : 0, words_, most_buckets(h_, vocabulary.dictionary)),
        input_(TrainingMatrix::untouched(words_ + 1 + most_buckets(h_, vocabulary.dictionary), h_.vector_dim)),
        output_(labels_, h_.vector_dim),
        tokens_(vocabulary.dictionary.ntokens),
        schedule_(h_.learning_rate, 0, tokens_ * h_.epochs) {
    input_.rows = words_;
    input_.fill_uniform(first_bound(), job.seed, team);
    input_.fill_row_zero(buckets_.zero_row());
    input_.rows = buckets_.rows();
    if (job.pretrained) job.report.pretrained_vectors(job.pretrained->put_vectors(vocabulary, input_));
    for (int t = 0; t < team.size(); ++t) randoms_.emplace_back(job.seed, 1 + static_cast<std::uint64_t>(t));
    begin_on_gpu(words_ + 1 + most_buckets(h_, vocabulary.dictionary));
  }

  Schedule& schedule() { return schedule_; }
  std::vector<TrainingMatrix*> matrices() { return {&input_, &output_}; }
  const BucketRows& buckets() const { return buckets_; }
  std::int64_t examples_learned() const { return learned_.load(); }

  void train_epoch(Progress& progress) {
    Passes pass(job_.train, {.whole_lines = true}, 1);
    team_.run([&](int thread) { train_share(pass, thread, progress); });
    input_.rows = buckets_.rows();
  }

  /// Brings what a GPU has learned into the matrices.
  void fetch() {
    if (gpu_) gpu_->fetch();
  }

  /// Share of the lines whose best label is one of theirs.
  Accuracy accuracy(const Corpus& corpus) {
    fetch();
    Passes pass(corpus, {.whole_lines = true}, 1);
    std::vector<Accuracy> parts(static_cast<std::size_t>(team_.size()));
    team_.run([&](int thread) { test_share(pass, parts[static_cast<std::size_t>(thread)]); });
    Accuracy out;
    for (const Accuracy& part : parts) out.right += part.right, out.examples += part.examples;
    return out;
  }

 private:
  /// On a GPU, where there is one with room for so many rows of E.
  void begin_on_gpu(std::int64_t capacity) {
    if (!fits_gpu(job_, cuda::LineTraining::bytes(input_, output_, capacity))) return;
    gpu_.emplace(*job_.gpu, input_, output_, capacity, tokens_ * h_.epochs, job_.threads, h_.loss == Loss::kOneVsAll);
  }
  float first_bound() const { return 1.0f / static_cast<float>(h_.vector_dim); }
  /// For learning: the bucket's row, which is filled when the bucket is met for the first time.
  std::int32_t row_of(std::int32_t bucket) {
    return buckets_.row(bucket, [&](std::int32_t row) {
      input_.fill_row_uniform(row, first_bound(), job_.seed, static_cast<std::uint64_t>(words_ + bucket));
      if (gpu_) gpu_->add_row(row);
    });
  }
  kernels::Weights weights() { return {input_.values.data(), output_.values.data(), input_.stride}; }
  numeric::Floats scratch() const { return numeric::Floats(kernels::example_scratch(input_.stride, labels_)); }

  void train_share(Passes& pass, int thread, Progress& progress) {
    LineReader reader(pass, rules_);
    numeric::Floats memory = scratch();
    Random& random = randoms_[static_cast<std::size_t>(thread)];
    Line line;
    Lines lines;
    const bool one_vs_all = h_.loss == Loss::kOneVsAll;
    std::int64_t tokens = 0, count = 0;
    const auto flush = [&] {
      const kernels::ExamplePlan plan{lines.features, lines.examples, labels_, lines.truths};
      const auto learn = one_vs_all ? kernels::train_all_labels : kernels::train_examples;
      const auto rate = static_cast<float>(schedule_.rate());
      gpu_ ? gpu_->learn(plan, rate) : learn(plan, weights(), rate, memory.data());
      count += static_cast<std::int64_t>(lines.examples.size());
      schedule_.add(std::exchange(tokens, 0));
      lines.clear();
      if (thread == 0) progress.tell();
    };
    while (!job_.stopped() && reader.next(line)) {
      tokens += line.tokens;
      if (!is_example(line)) continue;
      // Of several labels each is as likely (fastText's softmax).
      const std::size_t one =
          line.labels.size() == 1 ? 0 : random.below(static_cast<std::uint32_t>(line.labels.size()));
      lines.add(line, line.labels[one], buckets_, [&](std::int32_t bucket) { return row_of(bucket); });
      if (one_vs_all) lines.add_truths(line.labels);
      if (lines.is_full(gpu_ ? gpu_->chunk_features() : kPlanFeatures)) flush();
    }
    flush();
    learned_ += count;
  }

  void test_share(Passes& pass, Accuracy& out) {
    LineReader reader(pass, rules_);
    numeric::Floats memory = scratch();
    Line line;
    Lines lines;
    std::vector<std::int32_t> best;
    std::vector<std::vector<std::int32_t>> truths;
    const auto flush = [&] {
      best.resize(lines.examples.size());
      kernels::best_labels({lines.features, lines.examples, labels_}, weights(), best.data(), memory.data());
      for (std::size_t i = 0; i < best.size(); ++i)
        out.right += std::find(truths[i].begin(), truths[i].end(), best[i]) != truths[i].end() ? 1 : 0;
      out.examples += static_cast<std::int64_t>(best.size());
      lines.clear(), truths.clear();
    };
    while (reader.next(line)) {
      if (!is_example(line)) continue;
      lines.add(line, line.labels[0], buckets_, [&](std::int32_t bucket) { return buckets_.find(bucket); });
      truths.push_back(line.labels);
      if (lines.is_full()) flush();
    }
    flush();
  }

  const TrainingJob& job_;
  const Hyperparameters& h_;
  numeric::Team& team_;
  LineRules rules_;
  std::int32_t labels_;
  std::int64_t words_;
  BucketRows buckets_;
  TrainingMatrix input_, output_;
  std::int64_t tokens_;  // of the text
  Schedule schedule_;
  std::optional<cuda::LineTraining> gpu_;  // else on the CPUs
  std::vector<Random> randoms_;
  std::atomic<std::int64_t> learned_{0};  // examples, all epochs
};

void check(const TrainingJob& job, const Vocabulary& vocabulary) {
  const Dictionary& d = vocabulary.dictionary;
  if (d.nlabels == 0)
    throw Error(Kind::kInvalid, job.train.name + ": no word starts with " + std::string(kLabelPrefix) + " in the " +
                                    std::to_string(d.ntokens) + " words of the text; supervised mode needs labels");
  const bool only_line_ends = d.nwords == 1 && vocabulary.end_of_line == 0;
  if (d.nwords == 0 || only_line_ends)
    throw Error(Kind::kInvalid, job.train.name + ": no word beside labels occurs min_count=" +
                                    std::to_string(job.hyperparameters.min_count) + " times or more (" +
                                    std::to_string(d.ntokens) + " words read); lower min_count or give more text");
  if (d.nwords + job.hyperparameters.buckets > kMaxRows)
    throw Error(Kind::kInvalid, "buckets: " + std::to_string(job.hyperparameters.buckets) + " and " +
                                    std::to_string(d.nwords) + " words are together more than " +
                                    std::to_string(kMaxRows) + " rows");
}

Vocabulary read_vocabulary(const TrainingJob& job, numeric::Team& team) {
  job.report.processing(job.train.name, job.train.bytes);
  if (job.validation) job.report.processing(job.validation->name, job.validation->bytes);
  VocabularyOptions options;
  options.min_count = job.hyperparameters.min_count;
  options.labels = true;
  options.stopped = job.stopped;
  Vocabulary out = build_vocabulary(*job.train.open({.whole_lines = true}), team, options);
  job.report.words_read(out.dictionary.ntokens);
  if (job.pretrained)
    job.report.pretrained_words(job.pretrained->name(), job.pretrained->add_words(out, job.hyperparameters.vector_dim));
  // Labels come behind the words by descending count.
  const auto largest = static_cast<std::size_t>(out.dictionary.nwords);
  job.report.vocabulary(out.dictionary.nwords, out.dictionary.nlabels,
                        out.dictionary.nlabels > 0 ? out.dictionary.counts[largest] : 0);
  check(job, out);
  return out;
}

void train_epochs(const TrainingJob& job, Classifier& classifier, numeric::Team& team, Progress& progress) {
  const Hyperparameters& h = job.hyperparameters;
  EarlyStopping stopping(h.min_epochs, h.patience);
  BestWeights best(classifier.matrices(), team);
  for (std::int64_t epoch = 1; epoch <= h.epochs && !job.stopped(); ++epoch) {
    classifier.train_epoch(progress);
    if (!h.stops_early() || job.stopped() || !stopping.looks_at(epoch)) continue;
    job.report.epoch_ended(epoch);
    const double accuracy = classifier.accuracy(*job.validation).value();
    if (stopping.improves(accuracy)) best.keep();
    job.report.validation_accuracy(accuracy, stopping.bad_epochs(), job.threads);
    if (stopping.is_over()) break;
  }
  classifier.fetch();
  progress.finish(!job.stopped() && !stopping.is_over());
  best.restore();
}

/// Before anything is learned: an accuracy of no line would stop the training at its first look.
void check_validation(const Corpus& validation, const LineRules& rules) {
  Passes pass(validation, {.whole_lines = true}, 1);
  LineReader reader(pass, rules);
  Line line;
  while (reader.next(line))
    if (!line.labels.empty()) return;
  throw Error(Kind::kInvalid, validation.name + ": no line has a label that occurs in the training text");
}

}  // namespace

Model train_classifier(const TrainingJob& job) {
  numeric::Team team(job.threads);
  Vocabulary vocabulary = read_vocabulary(job, team);
  if (job.validation) {
    job.report.validation_loading(job.validation->name);
    check_validation(*job.validation, LineRules(job.hyperparameters, vocabulary));
    job.report.validation_loaded();
  }
  Classifier classifier(job, team, vocabulary);
  Progress progress(job.report, classifier.schedule());
  train_epochs(job, classifier, team, progress);
  if (classifier.buckets().buckets() > 0)
    job.report.buckets(classifier.buckets().used(), classifier.buckets().buckets());
  if (!job.stopped()) {
    if (classifier.examples_learned() == 0)
      throw Error(Kind::kInvalid, job.train.name + ": no line has both a label and a known word");
    const Accuracy train = classifier.accuracy(job.train);
    job.report.accuracy("train", train.value(), train.examples);
    if (job.validation) {
      const Accuracy validation = classifier.accuracy(*job.validation);
      job.report.accuracy("validation", validation.value(), validation.examples);
    }
  }
  Model model;
  model.settings = settings_of(job.hyperparameters);
  model.dictionary = std::move(vocabulary.dictionary);
  model.dictionary.build_index();
  const auto matrices = classifier.matrices();
  if (classifier.buckets().buckets() > 0) model.bucket_rows = classifier.buckets().table();
  model.input = matrices[0]->take();
  model.output = matrices[1]->take();
  return model;
}

}  // namespace clary::blazingtext
