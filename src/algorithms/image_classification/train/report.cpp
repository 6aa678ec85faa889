// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/train/report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "learning/shell/duration.h"

namespace clary::image_classification {
namespace {

constexpr std::int64_t kSpeedBatches = 20;  // MXNet's Speedometer as the container sets it
constexpr std::chrono::seconds kProgressEvery{30};
constexpr std::size_t kMaxClassLines = 1000;

double seconds(std::chrono::steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

const char* augmentation_name(vision::Augmentation augmentation) {
  switch (augmentation) {
    case vision::Augmentation::kNone:
      return "None";
    case vision::Augmentation::kCrop:
      return "crop";
    case vision::Augmentation::kCropColor:
      return "crop_color";
    case vision::Augmentation::kCropColorTransform:
      return "crop_color_transform";
  }
  return "";
}

}  // namespace

void Report::parameters(int hosts, int threads) const {
  const auto number = [](double x) { return fmt::format("{}", x); };
  log_.info("use_pretrained_model: {}", hp_.use_pretrained_model ? 1 : 0);
  log_.info("multi_label: {}", hp_.multi_label ? 1 : 0);
  if (hp_.use_pretrained_model) log_.info("Using pretrained model for initializing weights and transfer learning.");
  log_.info("---- Parameters ----");
  log_.info("num_layers: {}", hp_.num_layers);
  log_.info("data type: <type 'numpy.{}'>", hp_.float16 ? "float16" : "float32");
  log_.info("epochs: {}", hp_.epochs);
  if (hp_.resize) log_.info("image resize size: {}", *hp_.resize);
  log_.info("optimizer: {}", hp_.optimizer_name());
  if (hp_.optimizer == optim::Rule::kAdam) {
    log_.info("beta_1: {}", number(hp_.beta_1));
    log_.info("beta_2: {}", number(hp_.beta_2));
    log_.info("eps: {}", number(hp_.eps));
  } else if (hp_.optimizer == optim::Rule::kRmsprop) {
    log_.info("gamma: {}", number(hp_.gamma));
    log_.info("eps: {}", number(hp_.eps));
  } else {
    log_.info("momentum: {}", number(hp_.momentum));
    log_.info("weight_decay: {}", number(hp_.weight_decay));
  }
  log_.info("learning_rate: {}", number(hp_.learning_rate));
  if (!hp_.lr_scheduler_step.empty()) {
    log_.info("lr_scheduler_step: {}", fmt::join(hp_.lr_scheduler_step, ","));
    log_.info("lr_scheduler_factor: {}", number(hp_.lr_scheduler_factor));
  }
  log_.info("num_training_samples: {}", hp_.num_training_samples);
  log_.info("mini_batch_size: {}", hp_.mini_batch_size);
  log_.info("image_shape: {}", hp_.image_shape);
  log_.info("num_classes: {}", hp_.num_classes);
  log_.info("augmentation_type: {}", augmentation_name(hp_.augmentation_type));
  log_.info("kv_store: {}", hosts == 1 ? "device" : hp_.kv_store.empty() ? "dist_sync" : hp_.kv_store);
  if (hp_.top_k) log_.info("top_k: {}", *hp_.top_k);
  if (hp_.checkpoint_frequency)
    log_.info("checkpoint_frequency: {}", *hp_.checkpoint_frequency);
  else
    log_.info("checkpoint_frequency not set, will store the best model");
  log_.info("--------------------");
  log_.info("Setting number of threads: {}", threads);
}

void Report::begin_epoch(std::int64_t epoch) {
  epoch_ = epoch;
  epoch_began_ = window_began_ = progress_shown_ = Clock::now();
  window_pictures_ = epoch_pictures_ = 0;
  window_right_ = window_top_k_ = 0;
}

void Report::batch(std::int64_t batch, std::int64_t pictures, const Scores& of_epoch) {
  window_pictures_ += pictures, epoch_pictures_ += pictures;
  const auto now = Clock::now();
  // The first batch pays for planning the network; MXNet leaves it out, too.
  if (batch == 0) window_began_ = now, window_pictures_ = 0;
  if (batch > 0 && batch % kSpeedBatches == 0) {
    const double total = static_cast<double>(of_epoch.pictures());
    const double right = of_epoch.accuracy() * total, top_k = of_epoch.top_k_accuracy() * total;
    const double since = static_cast<double>(batch == kSpeedBatches ? epoch_pictures_ : window_pictures_);
    std::string scores = fmt::format("accuracy={:f}", metrics::ratio(right - window_right_, since));
    if (hp_.top_k && !hp_.multi_label)
      scores += fmt::format("\ttop_k_accuracy_{}={:f}", *hp_.top_k, metrics::ratio(top_k - window_top_k_, since));
    log_.info("Epoch[{}] Batch [{}]\tSpeed: {:.2f} samples/sec\t{}", epoch_, batch,
              static_cast<double>(window_pictures_) / std::max(seconds(now - window_began_), 1e-9), scores);
    window_began_ = now, window_pictures_ = 0, window_right_ = right, window_top_k_ = top_k;
  }
  if (now - progress_shown_ < kProgressEvery) return;
  progress_shown_ = now;
  const auto all = static_cast<double>(std::max(training_pictures_, epoch_pictures_));
  const double per_second = static_cast<double>(epoch_pictures_) / seconds(now - epoch_began_);
  log_.info("Progress: epoch {} of {}, {:.0f} % of its pictures, {:.1f} images/s, about {} left in this epoch",
            epoch_ + 1, hp_.epochs, 100 * static_cast<double>(epoch_pictures_) / all, per_second,
            shell::duration_words((all - static_cast<double>(epoch_pictures_)) / per_second));
}

void Report::trained(const Scores& scores) const {
  log_.info("Epoch[{}] Train-accuracy={:f}", epoch_, scores.accuracy());
  if (hp_.top_k && !hp_.multi_label)
    log_.info("Epoch[{}] Train-top_k_accuracy_{}={:f}", epoch_, *hp_.top_k, scores.top_k_accuracy());
  log_.info("Epoch[{}] Train-loss={:f}", epoch_, scores.loss());
  log_.info("Epoch[{}] Time cost={:.3f}", epoch_, seconds(Clock::now() - epoch_began_));
}

void Report::epoch_ended(const Progress& progress) {
  const double took = seconds(Clock::now() - epoch_began_);
  seconds_of_epochs_ += took, ++epochs_timed_;
  const double mean = seconds_of_epochs_ / static_cast<double>(epochs_timed_);
  std::string text = fmt::format(
      "Progress: epoch {} of {} ended, {} pictures, {:.1f} images/s with validation, "
      "learning rate {:.6g}",
      epoch_ + 1, hp_.epochs, progress.pictures, static_cast<double>(progress.pictures) / std::max(took, 1e-9),
      progress.rate);
  if (progress.skipped > 0) text += fmt::format(", {} pictures skipped", progress.skipped);
  if (progress.enlarged > 0) text += fmt::format(", {} pictures enlarged", progress.enlarged);
  if (const std::int64_t left = hp_.epochs - epoch_ - 1; left > 0)
    text += fmt::format(", about {} left", shell::duration_words(mean * static_cast<double>(left)));
  log_.info("{}", text);
}

void Report::validated(const Scores& scores) const {
  log_.info("Epoch[{}] Validation-accuracy={:f}", epoch_, scores.accuracy());
  if (hp_.top_k && !hp_.multi_label)
    log_.info("Epoch[{}] Validation-top_k_accuracy_{}={:f}", epoch_, *hp_.top_k, scores.top_k_accuracy());
  if (hp_.multi_label) {
    log_.info("Epoch[{}] Validation-mean_average_precision={:f}", epoch_, scores.mean_average_precision());
    log_.info("Epoch[{}] Validation-f1={:f}", epoch_, scores.f1());
  }
  log_.info("Epoch[{}] Validation-loss={:f}", epoch_, scores.loss());
}

void Report::storing_best(double accuracy) const {
  log_.info("Storing the best model with validation accuracy: {:f}", accuracy);
}

void Report::saved(const std::filesystem::path& params_file) const {
  log_.info("Saved checkpoint to \"{}\"", params_file.string());
}

void Report::classes(std::span<const metrics::ClassCounts> classes, const std::vector<std::string>& names,
                     std::int64_t epoch) const {
  log_.info("Classes of the validation pictures, by the model of epoch {}:", epoch + 1);
  for (std::size_t c = 0; c < classes.size(); ++c) {
    if (c == kMaxClassLines) {
      log_.info("{} more classes are not listed.", classes.size() - c);
      break;
    }
    const metrics::ClassCounts& counts = classes[c];
    if (counts.labelled == 0 && counts.predicted == 0) continue;
    const std::string name = c < names.size() && !names[c].empty() ? fmt::format(" ({})", names[c]) : "";
    log_.info("class {}{}: recall={:.4f} precision={:.4f}, {:.0f} of {:.0f} pictures found", c, name, counts.recall(),
              counts.precision(), counts.right, counts.labelled);
  }
}

}  // namespace clary::image_classification
