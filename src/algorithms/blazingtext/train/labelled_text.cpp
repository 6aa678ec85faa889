// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/train/labelled_text.h"

#include <algorithm>
#include <string>

#include "base/error.h"

namespace clary::blazingtext {
namespace {

void check(const TrainingJob& job, const Vocabulary& vocabulary) {
  const Dictionary& d = vocabulary.dictionary;
  if (d.nlabels == 0)
    throw Error(Kind::kInvalid, job.train.name + ": no word starts with " + std::string(kLabelPrefix) + " in the " +
                                    std::to_string(d.ntokens) + " words of the text; supervised mode needs labels");
  const bool only_line_ends = d.nwords == 1 && vocabulary.end_of_line == 0;
  if (d.nwords == 0 || only_line_ends)
    throw Error(Kind::kInvalid,
                job.train.name + ": no word beside labels occurs min_count=" + std::to_string(job.hp.min_count) +
                    " times or more (" + std::to_string(d.ntokens) + " words read); lower min_count or give more text");
  if (d.nwords + job.hp.buckets > kMaxRows)
    throw Error(Kind::kInvalid, "buckets: " + std::to_string(job.hp.buckets) + " and " + std::to_string(d.nwords) +
                                    " words are together more than " + std::to_string(kMaxRows) + " rows");
}

}  // namespace

// About 16 blocks a thread, so that none is left without work at the end of a pass; blocks end at line ends.
TextOptions line_blocks(const Corpus& corpus, int threads) {
  TextOptions out;
  out.whole_lines = true;
  const auto blocks = static_cast<std::uint64_t>(threads) * 16;
  if (threads > 1 && corpus.bytes > 0)
    out.block_bytes = std::clamp<std::size_t>(corpus.bytes / blocks, 16 << 10, out.block_bytes);
  return out;
}

Vocabulary read_labelled_vocabulary(const TrainingJob& job, numeric::Team& team) {
  job.report.processing(job.train.name, job.train.bytes);
  if (job.validation) job.report.processing(job.validation->name, job.validation->bytes);
  VocabularyOptions options;
  options.min_count = job.hp.min_count;
  options.labels = true;
  options.stopped = job.stopped;
  Vocabulary out = build_vocabulary(*job.train.open(line_blocks(job.train, job.threads)), team, options);
  job.report.words_read(out.dictionary.ntokens);
  if (job.pretrained)
    job.report.pretrained_words(job.pretrained->name(), job.pretrained->add_words(out, job.hp.vector_dim));
  // Labels come behind the words by descending count.
  const auto largest = static_cast<std::size_t>(out.dictionary.nwords);
  job.report.vocabulary(out.dictionary.nwords, out.dictionary.nlabels,
                        out.dictionary.nlabels > 0 ? out.dictionary.counts[largest] : 0);
  check(job, out);
  return out;
}

// Reads until the first usable line only.
void check_validation(const Corpus& validation, const LineRules& rules) {
  Passes pass(validation, {.whole_lines = true}, 1);
  LineReader reader(pass, rules);
  Line line;
  while (reader.next(line))
    if (!line.labels.empty()) return;
  throw Error(Kind::kInvalid, validation.name + ": no line has a label that occurs in the training text");
}

}  // namespace clary::blazingtext
