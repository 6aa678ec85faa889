// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <utility>

#include "algorithms/image_classification/data/loader.h"
#include "algorithms/image_classification/image_classification.h"
#include "algorithms/image_classification/model/artifact.h"
#include "algorithms/image_classification/model/topology_text.h"
#include "algorithms/image_classification/train/calibration.h"
#include "algorithms/image_classification/train/checkpoint.h"
#include "algorithms/image_classification/train/class_weights.h"
#include "algorithms/image_classification/train/early_stopping.h"
#include "algorithms/image_classification/train/exchange.h"
#include "algorithms/image_classification/train/optimizer.h"
#include "algorithms/image_classification/train/parts.h"
#include "algorithms/image_classification/train/report.h"
#include "algorithms/image_classification/train/scores.h"
#include "base/error.h"
#include "learning/nn/network.h"
#include "learning/numeric/index.h"
#include "learning/numeric/memory.h"
#include "learning/optim/schedule.h"

namespace clary::image_classification {
namespace {

using numeric::at;

constexpr double kUsableMemory = 0.9;  // of what is there, for the maps of a batch
constexpr double kTolerableMiscount = 0.01;
constexpr std::chrono::seconds kPatience{10};  // for a FIFO of the pass that only score_as_served() makes

double gibibytes(std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

nn::Precision precision_of(const Hyperparameters& hp, shell::TrainLog& log) {
  if (!hp.float16) return nn::Precision::kFloat32;
  if (nn::has_fast_bfloat16()) {
    log.info("precision_dtype float16: bfloat16 with float32 sums, statistics and weights of the optimizer.");
    return nn::Precision::kBFloat16;
  }
  log.warn("precision_dtype float16: this CPU has no half-precision arithmetic; float32 is used.");
  return nn::Precision::kFloat32;
}

nn::NetworkOptions network_options(const Hyperparameters& hp, shell::TrainContext& context) {
  return {.loss = hp.multi_label ? nn::Loss::kLogistic : nn::Loss::kSoftmax,
          .precision = precision_of(hp, context.log()),
          .threads = context.threads()};
}

class Job {
 public:
  /// @param memory  bytes that maps of a batch may take; nothing: what is left
  Job(const Hyperparameters& hp, shell::TrainContext& context, Data data, Start start,
      std::optional<std::int64_t> memory);
  Model run();

 private:
  void announce();
  void check_count(std::int64_t pictures);
  void resume();
  void plan_parts(std::optional<std::int64_t> memory);
  void weigh_classes();

  std::unique_ptr<Pass> open(Pictures& pictures, std::int64_t epoch);
  template <class F>
  std::unique_ptr<Pass> opened(F&& open);
  bool next(Pass* pass, Batch& batch);
  nn::PictureBatch view(const Batch& batch, std::int64_t from, std::int64_t count) const;
  void train_epoch(std::int64_t epoch);
  bool has_diverged(std::int64_t epoch);
  void step(const Batch& batch, std::int64_t mine, std::int64_t all, Scores& scores);
  void validate_epoch(std::int64_t epoch);
  std::optional<Scores> validate(std::int64_t epoch);
  bool score(std::unique_ptr<Pass> pass, Scores& scores);
  void score_as_served();
  void calibrate(Model& model);
  bool is_kept(std::int64_t epoch) const;
  void consider(std::int64_t epoch, const Scores& scores);
  void store(std::int64_t epoch);
  void restore_kept();
  Json metrics_of(const Scores& validation) const;
  ScoreOptions score_options(bool validation) const;
  Model current(std::int64_t epoch) const;

  const Hyperparameters& hp_;
  shell::TrainContext& context_;
  shell::TrainLog& log_;
  Data data_;
  Description description_;
  nn::Network network_;
  Optimizer optimizer_;
  Exchange exchange_;
  Report report_;
  EarlyStopping stopping_;
  Calibration calibration_;
  shell::Checkpoints checkpoints_;
  State state_;
  std::vector<std::string> class_names_;
  std::optional<LabelCounts> counting_;  // Pipe mode: the labels of epoch 0 for use_weighted_loss
  std::int64_t at_once_ = 0;             // pictures that fit into memory
  double rate_ = 0;                      // of this epoch
  std::vector<float> logits_;
  Batch batch_;
  Scores trained_{ScoreOptions{}};
  Report::Progress progress_;
  std::filesystem::path stored_;  // the best model's params file
  bool streams_ = false;          // the number of pictures is known after epoch 0 only
  bool cancelled_ = false;        // stopped while this host waited for data
  bool stopped_ = false;          // by the platform, all hosts
};

Job::Job(const Hyperparameters& hp, shell::TrainContext& context, Data data, Start start,
         std::optional<std::int64_t> memory)
    : hp_(hp),
      context_(context),
      log_(context.log()),
      data_(std::move(data)),
      description_(std::move(start.description)),
      network_(resnet(description_), network_options(hp, context)),
      optimizer_(hp, start.parameters, context.threads()),
      exchange_(context.collective()),
      report_(context.log(), hp),
      stopping_(hp),
      calibration_(network_.graph()),
      checkpoints_(context, "image-classification", checkpoint_identity(hp, topology_json(description_.topology))),
      class_names_(std::move(start.class_names)) {
  network_.parameters() = std::move(start.parameters);
  announce();
  resume();
  plan_parts(memory);
  if (hp_.multi_label && hp_.use_weighted_loss && state_.weights.positive.empty()) weigh_classes();
}

void Job::announce() {
  const int hosts = static_cast<int>(context_.hosts().size());
  report_.parameters(hosts, context_.threads());
  const nn::MapShape image = hp_.image();
  if (!hp_.resize)
    log_.info("resize is not set: pictures are cropped as they are, and enlarged where they are too small.");
  else if (*hp_.resize < std::max(image.height, image.width))
    log_.warn("resize {} is below the edges of image_shape {}: pictures are enlarged.", *hp_.resize, hp_.image_shape);
  if (hp_.use_weighted_loss && !hp_.multi_label) log_.warn("use_weighted_loss has an effect with multi_label only.");
  if (hp_.top_k && hp_.multi_label) log_.warn("top_k has no meaning with multi_label: it is not reported.");
  if (hosts == 1 && !hp_.kv_store.empty()) log_.info("kv_store {} has no effect on one instance.", hp_.kv_store);
  if (hosts > 1 && hp_.kv_store == "dist_async")
    log_.info("kv_store dist_async is run as dist_sync: all instances make each update together.");
  if (const auto count = data_.train->count()) {
    check_count(*count);
    report_.set_training_pictures(*count / hosts);
  } else {
    streams_ = true;
    report_.set_training_pictures(hp_.num_training_samples / hosts);
  }
}

void Job::check_count(std::int64_t pictures) {
  const double given = static_cast<double>(hp_.num_training_samples), found = static_cast<double>(pictures);
  if (std::abs(given - found) > kTolerableMiscount * found)
    log_.warn("num_training_samples is {}, but the train channel holds {} pictures: all of them are used.",
              hp_.num_training_samples, pictures);
}

void Job::resume() {
  const auto loaded = checkpoints_.load();
  if (!loaded) return;
  state_ = from_shell(*loaded, hp_.num_classes, network_.parameters(), optimizer_);
  stopping_.restore(state_.stopping_best, state_.stopping_idle);
  log_.info("Resuming after epoch {} from {}", state_.epochs, checkpoints_.file().string());
  if (hp_.checkpoint_frequency && context_.hosts().is_first()) restore_kept();
}

/// The params files of epochs that ended before, into the new model folder.
void Job::restore_kept() {
  for (std::int64_t epoch = 0; epoch < state_.epochs; ++epoch) {
    if (!is_kept(epoch)) continue;
    const auto copy = params_path(context_.checkpoint_dir(), epoch + 1),
               path = params_path(context_.model_dir(), epoch + 1);
    if (std::filesystem::exists(copy))
      std::filesystem::copy_file(copy, path, std::filesystem::copy_options::overwrite_existing);
  }
}

/// After everything else has its memory.
void Job::plan_parts(std::optional<std::int64_t> memory) {
  const std::int64_t count = data_.train->count().value_or(hp_.mini_batch_size);
  const std::int64_t batch = std::clamp<std::int64_t>(count, 1, hp_.mini_batch_size);
  const std::int64_t copies = 2 * 4 * std::ssize(network_.parameters().values());  // the best model, and a save of it
  const auto there = memory.value_or(
      static_cast<std::int64_t>(static_cast<double>(numeric::available_memory()) * kUsableMemory) - copies);
  const std::int64_t input = loader_memory(hp_.image(), context_.threads(), batch);
  if (input > there)
    throw Error(Kind::kLimit,
                fmt::format("image-classification: the pixels of batches of {} pictures of image_shape "
                            "{} need {:.1f} GiB of memory, {:.1f} GiB are left; choose a smaller "
                            "mini_batch_size or a larger instance type",
                            batch, hp_.image_shape, gibibytes(input), gibibytes(std::max<std::int64_t>(there, 0))));
  const std::int64_t left = there - input;
  const auto needed = [&](std::int64_t pictures) { return network_.memory_needed(pictures); };
  at_once_ = pictures_at_once(batch, left, needed);
  const std::int64_t least = std::min<std::int64_t>(batch, 2);
  if (at_once_ == 0)
    throw Error(
        Kind::kLimit,
        fmt::format("image-classification: {} pictures of image_shape {} in a network of num_layers {} need {:.1f} "
                    "GiB of memory, {:.1f} GiB are left; choose a larger instance type or a smaller image_shape",
                    least, hp_.image_shape, hp_.num_layers, gibibytes(needed(least)),
                    gibibytes(std::max<std::int64_t>(left, 0))));
  if (at_once_ < batch)
    log_.info(
        "A batch of {} pictures needs {:.1f} GiB of memory, {:.1f} GiB are left: gradients are added up over parts "
        "of {} pictures, and each part has its own batch norm statistics.",
        batch, gibibytes(needed(batch)), gibibytes(left), at_once_);
}

/// File mode: counts the labels in a pass of its own. Pipe mode: the stream is read once an epoch, so that the first
/// epoch counts and the others are weighted.
void Job::weigh_classes() {
  if (streams_) {
    log_.info("use_weighted_loss in Pipe mode: labels are counted in epoch 0, the loss is weighted from epoch 1.");
    counting_.emplace(hp_.num_classes);
    return;
  }
  LabelCounts counts(hp_.num_classes);
  const auto pass = open(*data_.train, 0);
  while (next(pass.get(), batch_)) counts.add(batch_.pictures, batch_.labels);
  counts.merge(exchange_.hosts());
  state_.weights = counts.weights();
}

std::unique_ptr<Pass> Job::open(Pictures& pictures, std::int64_t epoch) {
  return opened([&] { return pictures.pass(epoch); });
}

/// What `open` gives; nothing when the platform stops the job while it waits for a stream.
template <class F>
std::unique_ptr<Pass> Job::opened(F&& open) {
  try {
    return open();
  } catch (const Error& error) {
    if (error.kind() != Kind::kCancelled || !context_.stop_requested()) throw;
    cancelled_ = true;
    return nullptr;
  }
}

bool Job::next(Pass* pass, Batch& batch) {
  if (pass == nullptr || cancelled_) return false;
  try {
    return pass->next(batch, hp_.mini_batch_size);
  } catch (const Error& error) {
    if (error.kind() != Kind::kCancelled || !context_.stop_requested()) throw;
    cancelled_ = true;
    return false;
  }
}

nn::PictureBatch Job::view(const Batch& batch, std::int64_t from, std::int64_t count) const {
  const std::size_t picture = at(description_.image.size()), labels = hp_.multi_label ? at(hp_.num_classes) : 1;
  return {.pictures = count,
          .pixels = std::span(batch.pixels).subspan(at(from) * picture, at(count) * picture),
          .labels = std::span(batch.labels).subspan(at(from) * labels, at(count) * labels),
          .negative_weights = state_.weights.negative,
          .positive_weights = state_.weights.positive};
}

ScoreOptions Job::score_options(bool validation) const {
  return {.classes = hp_.num_classes,
          .multi_label = hp_.multi_label,
          .top_k = hp_.multi_label ? 0 : hp_.top_k.value_or(0),
          .keeps_predictions = validation};
}

/// @param mine, all  pictures of this host, of all hosts
void Job::step(const Batch& batch, std::int64_t mine, std::int64_t all, Scores& scores) {
  const auto classes = hp_.num_classes;
  logits_.resize(at(mine * classes));
  double loss = 0;
  if (mine == 0) std::ranges::fill(network_.gradients(), 0.0F);
  each_part(mine, at_once_, [&](std::int64_t from, std::int64_t count) {
    const auto part = std::span(logits_).subspan(at(from * classes), at(count * classes));
    loss += network_.forward_backward(view(batch, from, count), 1 / static_cast<float>(all), from > 0, part);
  });
  exchange_.add_up(network_.gradients());
  optimizer_.step(network_.parameters(), network_.gradients(), rate_);
  if (mine > 0) scores.add(mine, logits_, batch.labels, loss);
}

void Job::train_epoch(std::int64_t epoch) {
  rate_ = optim::stepped_rate(hp_.learning_rate, hp_.lr_scheduler_factor, hp_.lr_scheduler_step, epoch);
  report_.begin_epoch(epoch);
  trained_ = Scores(score_options(false));
  const auto pass = open(*data_.train, epoch);
  std::int64_t batches = 0;
  for (bool more = true;;) {
    more = more && next(pass.get(), batch_);
    std::int64_t mine = more ? batch_.pictures : 0;
    // A batch norm learns nothing from one picture: a rest of one is left out.
    if (mine == 1 && batches > 0 && hp_.mini_batch_size > 1) mine = 0;
    const Exchange::Round all = exchange_.sum({mine, cancelled_ || context_.stop_requested()});
    stopped_ = all.stop;
    if (stopped_ || all.pictures == 0) break;
    step(batch_, mine, all.pictures, trained_);
    if (counting_ && mine > 0) counting_->add(mine, batch_.labels);
    if (mine > 0) report_.batch(batches++, mine, trained_);
  }
  exchange_.average(network_.parameters().statistics(), batches > 0);
  trained_.merge(exchange_.hosts());
  progress_ = {.pictures = trained_.pictures(),
               .rate = rate_,
               .skipped = pass ? pass->skipped() : 0,
               .enlarged = pass ? pass->enlarged() : 0};
}

/// Whether the network holds a number that is not finite. No later epoch could mend it, so that training ends, with the
/// best model of the epochs before; such numbers never reach a file. The same on every host.
/// @throws Error{kInvalid} that names the number when there is no such model
bool Job::has_diverged(std::int64_t epoch) {
  std::string problem;
  try {
    const shell::FiniteCheck check(ImageClassification::kName, ImageClassification::kWhenNotFinite);
    for (const nn::Parameter& p : network_.parameters().list()) check.array(p.name, network_.parameters().of(p));
  } catch (const Error& error) {
    problem = error.what();
  }
  if (!exchange_.any(!problem.empty())) return false;
  if (problem.empty()) problem = "image-classification: training has diverged on another instance";
  if (!state_.best) throw Error(Kind::kInvalid, problem);
  log_.warn("Epoch[{}]: {}. Training ends; the model of epoch {} is kept.", epoch, problem, state_.best->epoch + 1);
  stopped_ = true;
  return true;
}

/// A pass over the validation pictures, of all hosts. @return false when the platform stops the job meanwhile
bool Job::score(std::unique_ptr<Pass> pass, Scores& scores) {
  const auto classes = hp_.num_classes;
  bool interrupted = false;
  calibration_.begin_pass();
  while (!interrupted && next(pass.get(), batch_)) {
    logits_.resize(at(batch_.pictures * classes));
    double loss = 0;
    each_part(batch_.pictures, at_once_, [&](std::int64_t from, std::int64_t count) {
      loss += network_.forward(view(batch_, from, count),
                               std::span(logits_).subspan(at(from * classes), at(count * classes)));
    });
    scores.add(batch_.pictures, logits_, batch_.labels, loss);
    calibration_.add(batch_.pixels);
    interrupted = context_.stop_requested();
  }
  interrupted = exchange_.any(interrupted || cancelled_);
  scores.merge(exchange_.hosts());
  return !interrupted;
}

/// Nothing when the platform stops the job meanwhile.
std::optional<Scores> Job::validate(std::int64_t epoch) {
  Scores scores(score_options(true));
  stopped_ = !score(open(*data_.validation, epoch), scores);
  if (stopped_) return std::nullopt;
  if (scores.pictures() == 0)
    throw Error(Kind::kInvalid, "channel validation: holds no picture; at least one is needed");
  return scores;
}

/// The best model on the validation pictures as an endpoint prepares them unless it is asked otherwise: stretched,
/// where training and validation keep the aspect and crop. The user sees what that costs.
void Job::score_as_served() {
  if (context_.stop_on_any_host()) return;
  auto pass = opened([&] { return data_.validation->stretched_pass(kPatience); });
  if (exchange_.any(pass == nullptr)) {
    log_.info("Served-accuracy is not known: channel validation could not be read once more.");
    return;
  }
  network_.parameters() = state_.best->parameters;
  Scores scores(score_options(false));
  if (!score(std::move(pass), scores)) return;
  log_.info("Served-accuracy of the validation pictures: stretch={:f} resize_crop={:f} (CLARY_INFERENCE_PREPROCESS)",
            scores.accuracy(), state_.best->accuracy);
  state_.best->metrics["served:accuracy:stretch"] = scores.accuracy();
}

/// For serving in int8, on some of this host's validation pictures.
void Job::calibrate(Model& model) {
  Calibration::Result result = calibration_.measure(model.parameters);
  model.calibration = std::move(result.largest);
  if (!model.calibration.empty() && !hp_.multi_label)
    log_.info("int8 (CLARY_INFERENCE_PRECISION) gives the class of float32 to {} of {} validation pictures.",
              result.same, calibration_.pictures());
}

Json Job::metrics_of(const Scores& validation) const {
  Json out{{"train:accuracy", trained_.accuracy()},
           {"train:loss", shell::json_number(trained_.loss())},
           {"validation:accuracy", validation.accuracy()},
           {"validation:loss", shell::json_number(validation.loss())}};
  if (hp_.top_k && !hp_.multi_label) {
    out["train:top_k_accuracy"] = trained_.top_k_accuracy();
    out["validation:top_k_accuracy"] = validation.top_k_accuracy();
  }
  if (hp_.multi_label) {
    out["validation:mean_average_precision"] = validation.mean_average_precision();
    out["validation:f1"] = validation.f1();
  }
  return out;
}

bool Job::is_kept(std::int64_t epoch) const {
  return hp_.checkpoint_frequency && (epoch + 1) % *hp_.checkpoint_frequency == 0;
}

Model Job::current(std::int64_t epoch) const {
  Model model;
  model.description = description_;
  model.parameters = network_.parameters();
  model.multi_label = hp_.multi_label;
  model.epoch = epoch + 1;
  model.batch_size = hp_.mini_batch_size;
  model.resize = hp_.resize;
  model.hyperparameters = context_.hyperparameters();
  return model;
}

/// The params file of this epoch, on the host whose model folder becomes the artifact.
void Job::store(std::int64_t epoch) {
  if (!context_.hosts().is_first()) return;
  const auto path = current(epoch).save_parameters(context_.model_dir());
  if (!hp_.checkpoint_frequency && !stored_.empty() && stored_ != path) std::filesystem::remove(stored_);
  stored_ = path;
  // A job that goes on elsewhere finds the epochs that it keeps beside its state.
  if (hp_.checkpoint_frequency && checkpoints_.enabled())
    std::filesystem::copy_file(path, params_path(context_.checkpoint_dir(), epoch + 1),
                               std::filesystem::copy_options::overwrite_existing);
  report_.saved(path);
}

/// With checkpoint_frequency the best is the best of those that are kept, so that the artifact holds them alone.
void Job::consider(std::int64_t epoch, const Scores& scores) {
  if (hp_.checkpoint_frequency && !is_kept(epoch)) return;
  const double accuracy = scores.accuracy();
  if (state_.best && accuracy <= state_.best->accuracy) return;
  const auto counts = scores.classes();
  state_.best = Best{epoch, accuracy, metrics_of(scores), {counts.begin(), counts.end()}, network_.parameters()};
  if (hp_.checkpoint_frequency) return;
  report_.storing_best(accuracy);
  store(epoch);
}

void Job::validate_epoch(std::int64_t epoch) {
  const auto scores = validate(epoch);
  if (!scores) return;
  report_.validated(*scores);
  consider(epoch, *scores);
  if (stopping_.add(epoch + 1, scores->accuracy())) {
    log_.info("Early stopping: no improvement in the last {} epochs.", stopping_.idle());
    stopped_ = true;
  }
}

Model Job::run() {
  std::int64_t epoch = state_.epochs;
  for (; epoch < hp_.epochs && !stopped_; ++epoch) {
    train_epoch(epoch);
    if (stopped_) break;
    if (epoch == 0 && streams_) check_count(trained_.pictures());
    report_.trained(trained_);
    if (has_diverged(epoch)) break;
    if (!std::isfinite(trained_.loss()))
      log_.warn("Epoch[{}]: the loss is not finite; a lower learning_rate than {} is likely to help.", epoch, rate_);
    if (counting_) {
      counting_->merge(exchange_.hosts());
      state_.weights = counting_->weights();
      counting_.reset();
    }
    if (is_kept(epoch)) store(epoch);
    validate_epoch(epoch);
    report_.epoch_ended(progress_);
    if (!checkpoints_.enabled() || (stopped_ && !state_.best)) continue;
    state_.epochs = epoch + 1;
    state_.stopping_best = stopping_.best(), state_.stopping_idle = stopping_.idle();
    checkpoints_.save(to_shell(state_, network_.parameters(), optimizer_));
  }
  if (state_.best) score_as_served();
  Model model = current(state_.best ? state_.best->epoch : std::max<std::int64_t>(epoch, 1) - 1);
  if (state_.best) {
    model.parameters = std::move(state_.best->parameters);
    model.metrics = std::move(state_.best->metrics);
  }
  calibrate(model);
  if (class_names_.empty()) class_names_ = data_.train->class_names();
  if (class_names_.empty()) class_names_ = data_.validation->class_names();
  if (state_.best) report_.classes(state_.best->classes, class_names_, state_.best->epoch);
  model.class_names = std::move(class_names_);
  return model;
}

}  // namespace

Model train(const Hyperparameters& hp, shell::TrainContext& context, Data data, Start start,
            std::optional<std::int64_t> memory) {
  return Job(hp, context, std::move(data), std::move(start), memory).run();
}

Model train(const Hyperparameters& hp, shell::TrainContext& context) {
  PictureOptions options{.image = hp.image(),
                         .resize = hp.resize,
                         .augmentation = hp.augmentation_type,
                         .shuffle = true,
                         .classes = hp.num_classes,
                         .multi_label = hp.multi_label,
                         .seed = context.seed(),
                         .threads = context.threads()};
  Data data;
  data.train = open_pictures(context, "train", options);
  options.augmentation = vision::Augmentation::kNone, options.shuffle = false;
  data.validation = open_pictures(context, "validation", options);
  return train(hp, context, std::move(data), starting_point(hp, context));
}

}  // namespace clary::image_classification
