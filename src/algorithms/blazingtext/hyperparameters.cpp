// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/hyperparameters.h"

#include <cctype>

#include "base/error.h"

namespace clary::blazingtext {
namespace {

using H = Hyperparameters;
using hyper::Field;

std::vector<Field<H>> common_fields() {
  using namespace hyper;  // NOLINT: the table below is made of its words
  return {
      categorical("mode", &H::mode,
                  {{"batch_skipgram", Mode::kBatchSkipgram},
                   {"skipgram", Mode::kSkipgram},
                   {"cbow", Mode::kCbow},
                   {"supervised", Mode::kSupervised}})
          .required()
          .tunable()
          .about("Word vectors by one of three word2vec methods, or a text classifier."),
      integer("epochs", &H::epochs, 1, 1'000'000)
          .tunable(5, 15)
          .about("Passes over the text; with early_stopping at most this many."),
      continuous("learning_rate", &H::learning_rate, 0)
          .above_min()
          .tunable(0.005, 0.01)
          .about("First step size; it falls to 0 in a straight line."),
      integer("min_count", &H::min_count, 0, kMaxRows).tunable(0, 100).about("Rarer words are left out."),
      integer("vector_dim", &H::vector_dim, 1, kMaxDimension).tunable(32, 300).about("Numbers in a vector (d)."),
      categorical("tokenizer", &H::tokenizer, {{"none", TextRules::kNone}, {"simple", TextRules::kSimple}})
          .about("none: words are separated by blanks. simple: ASCII letters become small and punctuation words of "
                 "its own, in training and at the endpoint alike."),
      integer("buckets", &H::buckets, 1, 2'000'000'000)
          .tunable(1'000'000, 10'000'000)
          .about("Rows for hashed n-grams: of characters with subwords, of words with word_ngrams above 1."),
  };
}

std::vector<Field<H>> word_vector_fields() {
  using namespace hyper;  // NOLINT: as above
  return {
      integer("window_size", &H::window_size, 1, 1000)
          .tunable(1, 10)
          .about("Word vectors: at most this many words to each side are context."),
      integer("negative_samples", &H::negative_samples, 1, 1000)
          .tunable(5, 25)
          .about("Word vectors: words drawn against each true one."),
      continuous("sampling_threshold", &H::sampling_threshold, 0, 1)
          .above_min()
          .below_max()
          .tunable(0.0001, 0.001)
          .about("Word vectors: words of a larger share of the text are thinned out; 0.001 or less is advised."),
      integer("batch_size", &H::batch_size, 1, 32)
          .tunable(8, 32)
          .about("batch_skipgram: context words per matrix product; 2 * window_size + 1 is advised."),
      boolean("evaluation", &H::evaluation)
          .about("Word vectors: score them on the WS-353 word pairs, or on the lists of the channel wordsim."),
      boolean("subwords", &H::subwords)
          .about("cbow and skipgram: learn character n-grams too, which give unknown words a vector."),
      integer("min_char", &H::min_char, 1, 1000).about("subwords: characters of the shortest n-gram."),
      integer("max_char", &H::max_char, 1, 1000).about("subwords: characters of the longest n-gram."),
      boolean("write_word2vec_binary", &H::write_word2vec_binary)
          .about(
              "Word vectors: write vectors.word2vec.bin too, the original word2vec's binary form, which gensim reads."),
  };
}

std::vector<Field<H>> classifier_fields() {
  using namespace hyper;  // NOLINT: as above
  return {
      integer("word_ngrams", &H::word_ngrams, 1, 1000)
          .tunable(1, 3)
          .about("supervised: runs of up to this many words are features."),
      categorical("loss", &H::loss, {{"softmax", Loss::kSoftmax}, {"ova", Loss::kOneVsAll}})
          .about("supervised: softmax, where labels compete and a line learns one of its labels at a time, or ova "
                 "(one-vs-all), where every label has a probability of its own and a line learns all of its labels."),
      boolean("early_stopping", &H::early_stopping)
          .about(
              "supervised: stop when the accuracy on the validation channel no longer grows; keep the best weights."),
      integer("patience", &H::patience, 1, 1'000'000).about("early_stopping: epochs without improvement to wait for."),
      integer("min_epochs", &H::min_epochs, 1, 1'000'000).about("early_stopping: epochs before the first check."),
      boolean("autotune", &H::autotune)
          .about("supervised: train with learning rates from 0.05 to 1 and up to four times the epochs first, and go "
                 "on with "
                 "what is most accurate on the validation channel; learning_rate has no effect."),
      boolean("quantize", &H::quantize)
          .about("supervised: write model.ftz too, many times smaller, as fastText's quantize does."),
      boolean("quantize_norms", &H::quantize_norms)
          .about("quantize: keep the lengths of rows apart from their directions, each to a byte (fastText's qnorm)."),
      integer("quantize_cutoff", &H::quantize_cutoff, 0, kMaxRows)
          .about("quantize: keep this many words and n-grams, those with the longest rows; 0 keeps all."),
      free_text("_tuning_objective_metric", &H::tuning_objective_metric).hidden(),
  };
}

std::vector<Field<H>> fields() {
  std::vector<Field<H>> out;
  for (auto& part : {common_fields(), word_vector_fields(), classifier_fields()})
    out.insert(out.end(), part.begin(), part.end());
  return out;
}

}  // namespace

const Schema<Hyperparameters>& schema() {
  static const Schema<H> s{"blazingtext",
                           fields(),
                           {{"max_char must be at least min_char",
                             [](const H& hp) { return !hp.uses_subwords() || hp.max_char >= hp.min_char; }},
                            {"subwords are not supported when mode is batch_skipgram; use cbow or skipgram",
                             [](const H& hp) { return !hp.subwords || hp.mode != Mode::kBatchSkipgram; }}}};
  return s;
}

std::string_view name_of(Mode mode) {
  switch (mode) {
    case Mode::kBatchSkipgram:
      return "batch_skipgram";
    case Mode::kSkipgram:
      return "skipgram";
    case Mode::kCbow:
      return "cbow";
    case Mode::kSupervised:
      return "supervised";
  }
  return "";
}

bool is_gpu_instance(std::string_view type) {
  if (type.starts_with("ml.")) type.remove_prefix(3);
  return type.size() > 1 && (type[0] == 'p' || type[0] == 'g') && std::isdigit(static_cast<unsigned char>(type[1]));
}

// Rules that need the job's shape, in the words of AWS's container.
void check_job(const Hyperparameters& hp, const JobShape& job) {
  const bool gpu = is_gpu_instance(job.instance_type);
  if (gpu && hp.mode == Mode::kBatchSkipgram)
    throw Error(Kind::kInvalid,
                "batch_skipgram is not supported on GPU. Please select a CPU instance or use cbow/skipgram (mode=" +
                    std::string(name_of(hp.mode)) + ", instance type " + job.instance_type + ")");
  if (gpu && job.instances > 1)
    throw Error(Kind::kInvalid, "Only one GPU instance can train (instance type " + job.instance_type + ", " +
                                    std::to_string(job.instances) + " instances)");
  if (job.instances > 1 && hp.mode != Mode::kBatchSkipgram)
    throw Error(Kind::kInvalid, "Only batch_skipgram is available when training on multiple CPU instances (mode=" +
                                    std::string(name_of(hp.mode)) + ", " + std::to_string(job.instances) +
                                    " instances)");
  if (!job.has_validation)
    for (const auto& [wanted, name] : {std::pair(hp.stops_early(), "early_stopping"), {hp.autotunes(), "autotune"}})
      if (wanted)
        throw Error(Kind::kInvalid, std::string(name) + "=True needs a validation channel, and the job has none");
}

}  // namespace clary::blazingtext
