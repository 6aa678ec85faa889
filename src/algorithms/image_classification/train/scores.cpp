// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/train/scores.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "learning/metrics/ranking.h"
#include "learning/numeric/index.h"

namespace clary::image_classification {
namespace {

using numeric::at;

/// Arrays of one host as text, and appended from it.
std::string bytes_of(const std::vector<float>& a, const std::vector<float>& b) {
  std::string out((a.size() + b.size()) * sizeof(float), '\0');
  std::memcpy(out.data(), a.data(), a.size() * sizeof(float));
  std::memcpy(out.data() + a.size() * sizeof(float), b.data(), b.size() * sizeof(float));
  return out;
}

void append_halves(const std::string& bytes, std::vector<float>& a, std::vector<float>& b) {
  const std::size_t n = bytes.size() / sizeof(float) / 2;
  const auto append = [&](std::vector<float>& to, std::size_t from) {
    to.resize(to.size() + n);
    std::memcpy(to.data() + to.size() - n, bytes.data() + from * sizeof(float), n * sizeof(float));
  };
  append(a, 0), append(b, n);
}

}  // namespace

Scores::Scores(const ScoreOptions& options) : options_(options), classes_(at(options.classes)) {}

void Scores::add(std::int64_t pictures, std::span<const float> logits, std::span<const float> labels, double loss) {
  const std::size_t classes = at(options_.classes);
  for (std::size_t i = 0; i < at(pictures); ++i) {
    const auto row = logits.subspan(i * classes, classes);
    if (options_.multi_label)
      add_labels(row, labels.subspan(i * classes, classes));
    else
      add_picture(row, labels[i]);
  }
  sums_[kPictures] += static_cast<double>(pictures), sums_[kLoss] += loss;
  if (!options_.multi_label || !options_.keeps_predictions) return;
  kept_logits_.insert(kept_logits_.end(), logits.begin(), logits.begin() + pictures * options_.classes);
  kept_labels_.insert(kept_labels_.end(), labels.begin(), labels.begin() + pictures * options_.classes);
}

void Scores::add_picture(std::span<const float> logits, float label) {
  const auto best = static_cast<std::size_t>(std::ranges::max_element(logits) - logits.begin());
  const auto truth = static_cast<std::size_t>(label);
  metrics::add_row(classes_, truth, best);
  if (best == truth) sums_[kRight] += 1;
  if (options_.top_k == 0) return;
  // Its place in the order by logit, equal ones by class number; a logit that is not a number is in no place.
  std::int64_t before = 0;
  for (std::size_t c = 0; c < logits.size(); ++c)
    before += logits[c] > logits[truth] || (logits[c] == logits[truth] && c < truth);
  if (before < options_.top_k && !std::isnan(logits[truth])) sums_[kTopK] += 1;
}

void Scores::add_labels(std::span<const float> logits, std::span<const float> labels) {
  for (std::size_t c = 0; c < logits.size(); ++c) {
    const bool is = labels[c] > 0.5F, predicted = logits[c] >= 0;
    classes_[c].labelled += is, classes_[c].predicted += predicted, classes_[c].right += is && predicted;
    sums_[kRight] += is == predicted;
  }
}

void Scores::merge(collective::Collective& hosts) {
  if (hosts.size() == 1) return;
  static_assert(sizeof(metrics::ClassCounts) == 3 * sizeof(double));
  hosts.all_reduce_sum(std::span<double>(sums_));
  hosts.all_reduce_sum(std::span<double>(&classes_[0].labelled, 3 * classes_.size()));
  if (!options_.keeps_predictions || !options_.multi_label) return;
  const auto parts = hosts.gather(bytes_of(kept_logits_, kept_labels_), 0);
  double average = 0;
  if (hosts.rank() == 0) {
    kept_logits_.clear(), kept_labels_.clear();
    for (const std::string& part : parts) append_halves(part, kept_logits_, kept_labels_);
    average = average_of_kept();
  }
  hosts.broadcast(std::as_writable_bytes(std::span(&average, 1)), 0);
  mean_average_precision_ = average;
}

double Scores::accuracy() const {
  return metrics::ratio(sums_[kRight],
                        sums_[kPictures] * (options_.multi_label ? static_cast<double>(options_.classes) : 1));
}

double Scores::f1() const {
  return metrics::mean(classes_, metrics::Over::kOccurring, [](const metrics::ClassCounts& c) { return c.f(); });
}

double Scores::average_of_kept() const {
  const std::size_t classes = at(options_.classes), pictures = kept_labels_.size() / std::max<std::size_t>(classes, 1);
  std::vector<float> logits(pictures), labels(pictures);
  double sum = 0, occurring = 0;
  for (std::size_t c = 0; c < classes; ++c) {
    if (classes_[c].labelled == 0) continue;
    for (std::size_t i = 0; i < pictures; ++i)
      logits[i] = kept_logits_[i * classes + c], labels[i] = kept_labels_[i * classes + c];
    sum += metrics::average_precision(logits, labels), occurring += 1;
  }
  return metrics::ratio(sum, occurring);
}

}  // namespace clary::image_classification
