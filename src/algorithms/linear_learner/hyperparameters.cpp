// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/hyperparameters.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "base/text.h"

namespace clary::linear_learner {
namespace {

using H = Hyperparameters;
using hyper::Field;
using hyper::Scaling;

constexpr std::int64_t kMaxFeatures = 2'147'483'647;  // columns of a sparse batch are 32 bits wide
constexpr std::int64_t kDefaultModels = 32;           // ids 0 .. 31 in every published log
constexpr std::int64_t kMaxModels = 1024;             // Clary's limit

template <class E>
using Names = std::vector<std::pair<std::string_view, E>>;

const Names<Loss>& loss_names() {
  static const Names<Loss> names{{"logistic", Loss::kLogistic},
                                 {"hinge_loss", Loss::kHinge},
                                 {"softmax_loss", Loss::kSoftmax},
                                 {"squared_loss", Loss::kSquared},
                                 {"absolute_loss", Loss::kAbsolute},
                                 {"eps_insensitive_squared_loss", Loss::kEpsInsensitiveSquared},
                                 {"eps_insensitive_absolute_loss", Loss::kEpsInsensitiveAbsolute},
                                 {"quantile_loss", Loss::kQuantile},
                                 {"huber_loss", Loss::kHuber}};
  return names;
}

const Names<PredictorType>& predictor_names() {
  static const Names<PredictorType> names{{"binary_classifier", PredictorType::kBinary},
                                          {"multiclass_classifier", PredictorType::kMulticlass},
                                          {"regressor", PredictorType::kRegressor}};
  return names;
}

const Names<Optimizer>& optimizer_names() {
  static const Names<Optimizer> names{
      {"adam", Optimizer::kAdam}, {"sgd", Optimizer::kSgd}, {"rmsprop", Optimizer::kRmsprop}};
  return names;
}

const Names<Criterion>& criterion_names() {
  static const Names<Criterion> names{{"accuracy", Criterion::kAccuracy},
                                      {"f_beta", Criterion::kFBeta},
                                      {"precision_at_target_recall", Criterion::kPrecisionAtTargetRecall},
                                      {"recall_at_target_precision", Criterion::kRecallAtTargetPrecision},
                                      {"loss_function", Criterion::kLossFunction},
                                      {"f1", Criterion::kF1},
                                      {"cross_entropy_loss", Criterion::kCrossEntropyLoss}};
  return names;
}

template <class E>
std::string_view name_in(const Names<E>& names, E value) {
  for (const auto& [name, known] : names)
    if (known == value) return name;
  return "";
}

template <class E>
std::optional<E> value_in(const Names<E>& names, std::string_view name) {
  for (const auto& [known, value] : names)
    if (known == name) return value;
  return std::nullopt;
}

/// Choices of a categorical field whose member is E, or optional<E> with "auto" first.
template <class Member, class E>
std::vector<std::pair<std::string, Member>> choices(const Names<E>& names) {
  std::vector<std::pair<std::string, Member>> out;
  for (const auto& [name, value] : names) out.emplace_back(name, value);
  return out;
}

std::vector<std::pair<std::string, std::optional<Loss>>> loss_choices() {
  auto out = choices<std::optional<Loss>>(loss_names());
  out.insert(out.begin(), {"auto", std::nullopt});
  return out;
}

std::vector<std::pair<std::string, Optimizer>> optimizer_choices() {
  auto out = choices<Optimizer>(optimizer_names());
  out.insert(out.begin(), {"auto", Optimizer::kAdam});
  return out;
}

std::vector<Field<H>> task_fields() {
  using namespace hyper;  // NOLINT: the table below is made of its words
  return {
      categorical("predictor_type", &H::predictor_type, choices<PredictorType>(predictor_names()))
          .required()
          .literal("regression", "regressor")
          .about("Task: two classes, many classes, or a number. `regression` is taken as `regressor`."),
      integer("num_classes", &H::num_classes, 1, 1'000'000)
          .about("Classes; required, from 3, for multiclass_classifier, where labels are 0 .. num_classes - 1."),
      integer("feature_dim", &H::feature_dim, 1, kMaxFeatures)
          .about("Features per row; auto: as wide as the first row."),
      integer("mini_batch_size", &H::mini_batch_size, 1).tunable(100, 5000).about("Rows per update."),
      integer("epochs", &H::epochs, 1).about("At most this many passes over the training data."),
      integer("num_models", &H::num_models, 1, kMaxModels)
          .about("Candidates trained side by side, of which the best is kept; auto: 32; always 1 in a tuning job."),
      categorical("loss", &H::loss, loss_choices())
          .about("Loss; auto: logistic, softmax_loss or squared_loss by predictor_type."),
      boolean("use_bias", &H::use_bias).tunable().about("Fit an intercept."),
  };
}

std::vector<Field<H>> optimizer_fields() {
  using namespace hyper;  // NOLINT: as above
  return {
      categorical("optimizer", &H::optimizer, optimizer_choices()).about("Update rule; auto: adam."),
      continuous("learning_rate", &H::learning_rate, 0)
          .above_min()
          .tunable(1e-5, 1, Scaling::kLogarithmic)
          .about("Step size; auto: varied over the candidates."),
      continuous("momentum", &H::momentum, 0, 1).below_max().about("Momentum of sgd; auto: 0."),
      continuous("beta_1", &H::beta_1, 0, 1).below_max().about("Decay of adam's first moment; auto: 0.9."),
      continuous("beta_2", &H::beta_2, 0, 1).below_max().about("Decay of adam's second moment; auto: 0.999."),
      continuous("bias_lr_mult", &H::bias_lr_mult, 0)
          .above_min()
          .about("The bias learns at learning_rate times this; auto: 10."),
      continuous("bias_wd_mult", &H::bias_wd_mult, 0).about("The bias decays at wd times this; auto: 0."),
      continuous("wd", &H::wd, 0)
          .tunable(1e-7, 1, Scaling::kLogarithmic)
          .about("L2 penalty on the weights of the scaled features; auto: varied over the candidates."),
      continuous("l1", &H::l1, 0)
          .tunable(1e-7, 1, Scaling::kLogarithmic)
          .about("L1 penalty, likewise; auto: varied over the candidates."),
      boolean("use_lr_scheduler", &H::use_lr_scheduler).about("Lower the learning rate as training goes on."),
      integer("lr_scheduler_step", &H::lr_scheduler_step, 1).about("Updates between two cuts of the learning rate."),
      continuous("lr_scheduler_factor", &H::lr_scheduler_factor, 0, 1)
          .above_min()
          .below_max()
          .about("Factor of each cut."),
      continuous("lr_scheduler_minimum_lr", &H::lr_scheduler_minimum_lr, 0)
          .above_min()
          .about("The learning rate is never cut below this."),
      categorical("init_method", &H::init_method, {{"uniform", InitMethod::kUniform}, {"normal", InitMethod::kNormal}})
          .about("How weights start."),
      continuous("init_scale", &H::init_scale, 0).above_min().about("uniform: weights start within +- this."),
      continuous("init_sigma", &H::init_sigma, 0).above_min().about("normal: standard deviation of the first weights."),
      continuous("init_bias", &H::init_bias, -kInfinite).about("First value of the bias."),
  };
}

std::vector<Field<H>> scaling_fields() {
  using namespace hyper;  // NOLINT: as above
  return {
      boolean("normalize_data", &H::normalize_data).about("Divide features by their standard deviation; auto: true."),
      boolean("normalize_label", &H::normalize_label)
          .about("Divide the label by its standard deviation; regressor only; auto: true there."),
      boolean("unbias_data", &H::unbias_data).about("Subtract the features' means; needs use_bias; auto: use_bias."),
      boolean("unbias_label", &H::unbias_label)
          .about("Subtract the label's mean; regressor with use_bias only; auto: true there."),
      integer("num_point_for_scaler", &H::num_point_for_scaler, 1)
          .about("Rows at the start of the data from which means and deviations are taken."),
  };
}

std::vector<Field<H>> selection_fields() {
  using namespace hyper;  // NOLINT: as above
  return {
      categorical("binary_classifier_model_selection_criteria", &H::binary_classifier_model_selection_criteria,
                  choices<Criterion>(criterion_names()))
          .about("What chooses the best candidate, epoch and threshold of a binary_classifier."),
      continuous("target_recall", &H::target_recall, 0, 1)
          .above_min()
          .below_max()
          .about("Recall that precision_at_target_recall must reach."),
      continuous("target_precision", &H::target_precision, 0, 1)
          .above_min()
          .below_max()
          .about("Precision that recall_at_target_precision must reach."),
      continuous("f_beta", &H::f_beta, 0).above_min().about("Beta of the F metrics: recall counts beta times."),
      continuous("positive_example_weight_mult", &H::positive_example_weight_mult, 0)
          .above_min()
          .literal("balanced", "-1")
          .literal("auto", "-2")
          .tunable(1e-5, 1e5, Scaling::kLogarithmic)
          .about("Weight of positive rows in the loss (negative ones weigh 1); balanced: negatives / positives; auto: "
                 "tried among 1, sqrt(balanced) and balanced."),
      integer("num_calibration_samples", &H::num_calibration_samples, 1)
          .about("Scored rows from which the threshold is taken, at most."),
      boolean("balance_multiclass_weights", &H::balance_multiclass_weights)
          .about("Weight classes by the inverse of their frequency."),
      integer("accuracy_top_k", &H::accuracy_top_k, 1, 1'000'000).about("k of the top-k accuracy of many classes."),
      continuous("margin", &H::margin, 0).about("Margin of hinge_loss."),
      continuous("quantile", &H::quantile, 0, 1)
          .above_min()
          .below_max()
          .about("q of quantile_loss: the fitted value is above the label with probability q."),
      continuous("loss_insensitivity", &H::loss_insensitivity, 0)
          .above_min()
          .about("Epsilon of the eps_insensitive losses: smaller errors cost nothing."),
      continuous("huber_delta", &H::huber_delta, 0).about("Error at which huber_loss turns from square to straight."),
      integer("early_stopping_patience", &H::early_stopping_patience, 1)
          .about("Epochs without improvement before training stops; above epochs: never."),
      continuous("early_stopping_tolerance", &H::early_stopping_tolerance, 0)
          .above_min()
          .about("Relative change of the criterion that counts as an improvement."),
      free_text("_tuning_objective_metric", &H::tuning_objective_metric).hidden(),
      ignored<H>("_kvstore", "auto"),
      ignored<H>("_num_kv_servers", "auto"),
      ignored<H>("_num_gpus", "auto"),
      ignored<H>("_log_level", "info"),
      ignored<H>("_enable_profiler", "false"),
  };
}

// Rules between hyperparameters; bounds of single ones are in the fields above. Messages are the client's.
std::vector<hyper::Rule<H>> rules() {
  return {
      {"num_classes must be given, from 3 to 1000000, when predictor_type is multiclass_classifier",
       [](const H& hp) { return !hp.is_multiclass() || hp.num_classes >= 3; }},
      {"loss must be auto, logistic or hinge_loss when predictor_type is binary_classifier",
       [](const H& hp) {
         return !hp.is_binary() || hp.resolved_loss() == Loss::kLogistic || hp.resolved_loss() == Loss::kHinge;
       }},
      {"loss must be auto or softmax_loss when predictor_type is multiclass_classifier",
       [](const H& hp) { return !hp.is_multiclass() || hp.resolved_loss() == Loss::kSoftmax; }},
      {"loss must be auto, squared_loss, absolute_loss, eps_insensitive_squared_loss, eps_insensitive_absolute_loss, "
       "quantile_loss or huber_loss when predictor_type is regressor",
       [](const H& hp) {
         const Loss l = hp.resolved_loss();
         return hp.is_classifier() || (l != Loss::kLogistic && l != Loss::kHinge && l != Loss::kSoftmax);
       }},
  };
}

}  // namespace

Loss Hyperparameters::resolved_loss() const {
  if (loss) return *loss;
  if (is_binary()) return Loss::kLogistic;
  return is_multiclass() ? Loss::kSoftmax : Loss::kSquared;
}

// A tuning job tries one setting per training job: candidates beside it would compete with the tuner.
std::int64_t Hyperparameters::models() const {
  return tuning_objective_metric.empty() ? num_models.value_or(kDefaultModels) : 1;
}

const Schema<Hyperparameters>& schema() {
  static const Schema<H> s = [] {
    auto fields = task_fields();
    for (auto&& group : {optimizer_fields(), scaling_fields(), selection_fields()})
      fields.insert(fields.end(), group.begin(), group.end());
    return Schema<H>("linear-learner", std::move(fields), rules());
  }();
  return s;
}

std::string_view name_of(Loss loss) { return name_in(loss_names(), loss); }
std::string_view name_of(PredictorType type) { return name_in(predictor_names(), type); }
std::string_view name_of(Optimizer optimizer) { return name_in(optimizer_names(), optimizer); }
std::string_view name_of(Criterion criterion) { return name_in(criterion_names(), criterion); }
std::optional<Loss> loss_named(std::string_view name) { return value_in(loss_names(), name); }
std::optional<PredictorType> predictor_type_named(std::string_view name) { return value_in(predictor_names(), name); }

std::vector<std::string> remarks(const Hyperparameters& parsed, const hyper::TextMap& given) {
  std::vector<std::string> out;
  const auto type = given.find("predictor_type");
  if (type != given.end() && lower(trimmed(type->second)) == "regression")
    out.push_back(fmt::format("predictor_type: '{}' is no predictor type of Linear Learner; taken as 'regressor'",
                              trimmed(type->second)));
  if (!parsed.tuning_objective_metric.empty() && parsed.num_models.value_or(kDefaultModels) != 1)
    out.push_back("num_models is 1 in the training jobs of a tuning job, whatever was given");
  return out;
}

}  // namespace clary::linear_learner
