// SPDX-License-Identifier: Apache-2.0
// supervised: every thread takes lines from the pass and learns them into the common weights without locks; after each
// epoch the threads meet, for early stopping looks at the validation text. The first epoch gives rows to the buckets
// that it meets; buckets that only validation text has count as rows of zeros. Of a text that is not too long it also
// keeps the lines as rows and labels, which is what later epochs learn from.
// Letters: K labels.
#include <algorithm>
#include <cstring>

#include "algorithms/blazingtext/cuda/line_training.h"
#include "algorithms/blazingtext/data/lines.h"
#include "algorithms/blazingtext/train/best_weights.h"
#include "algorithms/blazingtext/train/bucket_rows.h"
#include "algorithms/blazingtext/train/labelled_text.h"
#include "algorithms/blazingtext/train/line_batch.h"
#include "algorithms/blazingtext/train/progress.h"
#include "algorithms/blazingtext/train/schedule.h"
#include "algorithms/blazingtext/train/trainer.h"
#include "algorithms/blazingtext/train/weights.h"
#include "base/error.h"
#include "base/split_mix.h"
#include "learning/optim/early_stopping.h"

namespace clary::blazingtext {
namespace {

constexpr std::size_t kPlanFeatures = 1024;  // about 16 lines: enough to fetch rows ahead over the borders of lines

/// Lines of which the rows and labels fill this many bytes at most are kept from the first epoch on: then the later
/// ones need not read the text. About 60 million words with bigrams.
constexpr std::int64_t kMostKeptBytes = std::int64_t{512} << 20;

/// Buckets that the text may use: no more than n-grams begin with its words.
/// E is allocated for this number of rows; pages that are never touched cost no memory.
std::int64_t most_buckets(const Hyperparameters& hp, const Dictionary& dictionary) {
  if (hp.word_ngrams < 2) return 0;
  return std::min(hp.buckets, dictionary.ntokens * std::min<std::int64_t>(hp.word_ngrams - 1, 1 << 20));
}

struct Accuracy {
  std::int64_t right = 0, examples = 0;
  double value() const { return examples == 0 ? 0 : static_cast<double>(right) / static_cast<double>(examples); }
};

// Owns the weights of one training. Everything that threads change in parallel is either theirs by number (randoms_),
// atomic (schedule_, learned_, buckets_) or the weights themselves, which are learned without locks.
class Classifier {
 public:
  Classifier(const TrainingJob& job, numeric::Team& team, const Vocabulary& vocabulary)
      : job_(job),
        hp_(job.hp),
        team_(team),
        rules_(hp_, vocabulary),
        labels_(static_cast<std::int32_t>(vocabulary.dictionary.nlabels)),
        words_(vocabulary.dictionary.nwords),
        buckets_(hp_.word_ngrams > 1 ? hp_.buckets : 0, words_, most_buckets(hp_, vocabulary.dictionary)),
        input_(TrainingMatrix::untouched(words_ + 1 + most_buckets(hp_, vocabulary.dictionary), hp_.vector_dim)),
        output_(labels_, hp_.vector_dim),
        tokens_(vocabulary.dictionary.ntokens),
        schedule_(hp_.learning_rate, 0, tokens_ * hp_.epochs) {
    // Words first, initialised by row number; rows of buckets when they are met.
    input_.rows = words_;
    input_.fill_uniform(first_bound(), job.seed, team);
    // Buckets that only validation text has point here.
    input_.fill_row_zero(buckets_.zero_row());
    input_.rows = buckets_.rows();
    if (job.pretrained) job.report.pretrained_vectors(job.pretrained->put_vectors(vocabulary, input_));
    for (int t = 0; t < team.size(); ++t) randoms_.emplace_back(job.seed, 1 + static_cast<std::uint64_t>(t));
    begin_on_gpu(words_ + 1 + most_buckets(hp_, vocabulary.dictionary));
  }

  Schedule& schedule() { return schedule_; }
  std::vector<TrainingMatrix*> matrices() { return {&input_, &output_}; }
  const BucketRows& buckets() const { return buckets_; }
  std::int64_t examples_learned() const { return learned_.load(); }

  void train_epoch(Progress& progress) {
    if (kept_.empty())
      read_epoch(progress);
    else
      team_.run([&, next = std::atomic<std::size_t>(0)](int thread) mutable { learn_kept(next, thread, progress); });
  }

  /// Brings what a GPU has learned into the matrices.
  void fetch() {
    // The matrices on the host are stale while a GPU learns; everything that reads them calls this first.
    if (gpu_) gpu_->fetch();
  }

  /// Share of the lines whose best label is one of theirs.
  Accuracy accuracy(const Corpus& corpus) {
    fetch();
    std::vector<Accuracy> parts(static_cast<std::size_t>(team_.size()));
    Passes pass(corpus, line_blocks(corpus, team_.size()), 1);
    team_.run([&](int thread) { test_share(pass, parts[static_cast<std::size_t>(thread)]); });
    return sum(parts);
  }
  Accuracy training_accuracy() {
    if (kept_.empty()) return accuracy(job_.train);
    fetch();
    std::vector<Accuracy> parts(static_cast<std::size_t>(team_.size()));
    team_.run([&](int thread) {
      numeric::Floats memory = scratch();
      const auto [begin, end] = numeric::share(std::ssize(kept_), thread, team_.size());
      for (std::int64_t at = begin; at < end; ++at)
        test(kept_[static_cast<std::size_t>(at)], memory.data(), parts[static_cast<std::size_t>(thread)]);
    });
    return sum(parts);
  }

 private:
  /// On a GPU, where there is one with room for so many rows of E.
  void begin_on_gpu(std::int64_t capacity) {
    if (!fits_gpu(job_, cuda::LineTraining::bytes(input_, output_, capacity))) return;
    gpu_.emplace(*job_.gpu, input_, output_, capacity, tokens_ * hp_.epochs, job_.threads, hp_.learning_rate,
                 hp_.loss == Loss::kOneVsAll);
  }
  float first_bound() const { return 1.0f / static_cast<float>(hp_.vector_dim); }
  /// For learning: the bucket's row, which is filled when the bucket is met for the first time.
  /// The bucket's number seeds its values, so that they do not depend on which thread met it first.
  std::int32_t row_of(std::int32_t bucket) {
    return buckets_.row(bucket, [&](std::int32_t row) {
      input_.fill_row_uniform(row, first_bound(), job_.seed, static_cast<std::uint64_t>(words_ + bucket));
      if (gpu_) gpu_->add_row(row);
    });
  }
  kernels::Weights weights() { return {input_.values.data(), output_.values.data(), input_.stride}; }
  numeric::Floats scratch() const { return numeric::Floats(kernels::example_scratch(input_.stride, labels_)); }

  static Accuracy sum(const std::vector<Accuracy>& parts) {
    Accuracy out;
    for (const Accuracy& part : parts) out.right += part.right, out.examples += part.examples;
    return out;
  }

  /// A pipe may bring other lines, or another order, with every pass.
  bool keeps_lines() const {
    return hp_.epochs > 1 && job_.train.bytes > 0 &&
           tokens_ <= kMostKeptBytes / static_cast<std::int64_t>(sizeof(std::int32_t)) / hp_.word_ngrams;
  }

  // The first epoch (and every one of a pipe): reads text, finds features, hands out rows.
  void read_epoch(Progress& progress) {
    Passes pass(job_.train, line_blocks(job_.train, team_.size()), 1);
    std::vector<std::vector<LineBatch>> kept(static_cast<std::size_t>(team_.size()));
    team_.run([&](int thread) { learn_text(pass, thread, progress, kept[static_cast<std::size_t>(thread)]); });
    // Rows that this epoch has added now belong to the matrix.
    input_.rows = buckets_.rows();
    for (auto& batches : kept) std::move(batches.begin(), batches.end(), std::back_inserter(kept_));
  }

  void learn_text(Passes& pass, int thread, Progress& progress, std::vector<LineBatch>& kept) {
    LineReader reader(pass, rules_);
    numeric::Floats memory = scratch();
    Line line;
    LineBatch lines;
    const bool keeps = keeps_lines();
    const std::size_t full = gpu_ ? gpu_->chunk_features() : kPlanFeatures;
    const auto flush = [&] {
      learn(lines, thread, memory.data(), progress);
      if (keeps) kept.push_back(lines);
      lines.clear();
    };
    while (!job_.stopped() && reader.next(line)) {
      // Lines without labels or words count for the schedule: progress is measured in tokens of the text.
      lines.tokens += line.tokens;
      if (!LineBatch::is_example(line)) continue;
      lines.add(line, hp_.loss == Loss::kOneVsAll, buckets_, [&](std::int32_t bucket) { return row_of(bucket); });
      if (lines.features.size() >= full) flush();
    }
    flush();
  }

  // Later epochs: batches are taken in any order by whichever thread is free.
  void learn_kept(std::atomic<std::size_t>& next, int thread, Progress& progress) {
    numeric::Floats memory = scratch();
    for (std::size_t at = 0; !job_.stopped() && (at = next.fetch_add(1)) < kept_.size();)
      learn(kept_[at], thread, memory.data(), progress);
  }

  void learn(LineBatch& lines, int thread, float* memory, Progress& progress) {
    // softmax learns one label of a line at a time, drawn anew in each epoch.
    lines.draw_labels(randoms_[static_cast<std::size_t>(thread)]);
    const kernels::ExamplePlan plan{lines.features, lines.examples, labels_, lines.truths};
    // The rate is read once a batch; schedule_ is advanced after it.
    const auto kernel = hp_.loss == Loss::kOneVsAll ? kernels::train_all_labels : kernels::train_examples;
    const auto rate = static_cast<float>(schedule_.rate());
    gpu_ ? gpu_->learn(plan, rate) : kernel(plan, weights(), rate, memory);
    learned_ += static_cast<std::int64_t>(lines.examples.size());
    schedule_.add(lines.tokens);
    if (thread == 0) progress.update();
  }

  void test_share(Passes& pass, Accuracy& out) {
    LineReader reader(pass, rules_);
    numeric::Floats memory = scratch();
    Line line;
    LineBatch lines;
    while (reader.next(line)) {
      if (!LineBatch::is_example(line)) continue;
      lines.add(line, false, buckets_, [&](std::int32_t bucket) { return buckets_.find(bucket); });
      if (lines.features.size() < kPlanFeatures) continue;
      test(lines, memory.data(), out);
      lines.clear();
    }
    test(lines, memory.data(), out);
  }

  void test(const LineBatch& lines, float* memory, Accuracy& out) {
    std::vector<std::int32_t> best(lines.examples.size());
    kernels::best_labels({lines.features, lines.examples, labels_, lines.truths}, weights(), best.data(), memory);
    for (std::size_t i = 0; i < best.size(); ++i) out.right += lines.has_label(lines.examples[i], best[i]) ? 1 : 0;
    out.examples += static_cast<std::int64_t>(best.size());
  }

  const TrainingJob& job_;
  const Hyperparameters& hp_;
  numeric::Team& team_;
  LineRules rules_;
  std::int32_t labels_;
  std::int64_t words_;
  BucketRows buckets_;
  TrainingMatrix input_, output_;
  std::int64_t tokens_;  // of the text
  Schedule schedule_;
  std::optional<cuda::LineTraining> gpu_;  // else on the CPUs
  std::vector<SplitMix64> randoms_;
  std::vector<LineBatch> kept_;           // all lines, when they are few enough
  std::atomic<std::int64_t> learned_{0};  // examples, all epochs
};

// Early stopping keeps the weights of the best epoch and puts them back at the end.
void train_epochs(const TrainingJob& job, Classifier& classifier, numeric::Team& team, Progress& progress) {
  const Hyperparameters& hp = job.hp;
  optim::EarlyStopping stopping(hp.patience);
  BestWeights best(classifier.matrices(), team);
  for (std::int64_t epoch = 1; epoch <= hp.epochs && !job.stopped(); ++epoch) {
    classifier.train_epoch(progress);
    if (!hp.stops_early() || job.stopped() || epoch < hp.min_epochs) continue;
    job.report.epoch_ended(epoch);
    const double accuracy = classifier.accuracy(*job.validation).value();
    if (stopping.add(accuracy)) best.keep();
    job.report.validation_accuracy(accuracy, stopping.idle(), job.threads);
    if (stopping.stops()) break;
  }
  classifier.fetch();
  progress.finish(!job.stopped() && !stopping.stops());
  best.restore();
}

}  // namespace

Model train_classifier(const TrainingJob& job) {
  numeric::Team team(job.threads);
  Vocabulary vocabulary = read_labelled_vocabulary(job, team);
  if (job.validation) {
    job.report.validation_loading(job.validation->name);
    check_validation(*job.validation, LineRules(job.hp, vocabulary));
    job.report.validation_loaded();
  }
  // Declared in this order because each holds references to those before.
  Classifier classifier(job, team, vocabulary);
  Progress progress(job.report, classifier.schedule());
  train_epochs(job, classifier, team, progress);
  if (classifier.buckets().buckets() > 0)
    job.report.buckets(classifier.buckets().used(), classifier.buckets().buckets());
  if (!job.stopped()) {
    if (classifier.examples_learned() == 0)
      throw Error(Kind::kInvalid, job.train.name + ": no line has both a label and a known word");
    const Accuracy train = classifier.training_accuracy();
    job.report.accuracy("train", train.value(), train.examples);
    if (job.validation) {
      const Accuracy validation = classifier.accuracy(*job.validation);
      job.report.accuracy("validation", validation.value(), validation.examples);
    }
  }
  Model model;
  model.settings = settings_of(job.hp);
  model.dictionary = std::move(vocabulary.dictionary);
  model.dictionary.build_index();
  const auto matrices = classifier.matrices();
  if (classifier.buckets().buckets() > 0) model.bucket_rows = classifier.buckets().table();
  model.input = matrices[0]->take();
  model.output = matrices[1]->take();
  return model;
}

}  // namespace clary::blazingtext
