// SPDX-License-Identifier: Apache-2.0
// What an algorithm must give (docs/algorithms.md), and Program, the same thing with its types erased, which is all
// that the rest of the shell knows of it.
#pragma once

#include <concepts>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "formats/batch.h"
#include "learning/hyper/schema.h"
#include "learning/shell/descriptor.h"
#include "learning/shell/finite_check.h"
#include "learning/shell/predictions.h"
#include "learning/shell/serve_request.h"
#include "learning/shell/train_context.h"

namespace clary::shell {

/// struct Ntm {
///   static constexpr std::string_view kName = "ntm";
///   using Hyperparameters = ntm::Hyperparameters;
///   using Model = ntm::Model;
///   static const Schema<Hyperparameters>& schema();
///   static const Descriptor& descriptor();
///   static constexpr std::string_view kWhenNotFinite = "lower learning_rate";  // the user's remedy, see
///   finite_check.h static Model train(const Hyperparameters&, TrainContext&);
/// };
/// Model: check_finite(check) passes every array of its learned numbers to check.array(); the shell calls it on every
/// host before save(). A host without a model passes none.
/// Model, besides: save(dir) on host 1 only, or save(dir, context) on every host; predict() is const and thread-safe.
/// Instead of predict(), Answer answer(const Invocation&) const: the model reads request bodies and writes answers
/// itself (requests that are not rows of numbers). What it throws becomes 400, 413 or 500, as for predict().
/// Optional: static Hyperparameters parse(const hyper::TextMap&), for one whose checks and messages are not the
/// schema's. Optional in Model: std::int64_t feature_dim() const (width of request rows; wrong ones get 400); bool
/// accepts_tokens() const (raw words instead of features); std::optional<Document> document(std::string_view path)
/// const (answers GET /<path>, and POST /invocations with Accept "application/json; document=<path>").
template <class A>
concept Algorithm = requires(const typename A::Hyperparameters& hyperparameters, const typename A::Model& model,
                             TrainContext& context, const std::filesystem::path& dir, const formats::Batch& rows,
                             const ServeRequest& request, const FiniteCheck& check) {
  { A::kName } -> std::convertible_to<std::string_view>;
  { A::schema() } -> std::same_as<const Schema<typename A::Hyperparameters>&>;
  { A::descriptor() } -> std::convertible_to<const Descriptor&>;
  { A::train(hyperparameters, context) } -> std::same_as<typename A::Model>;
  { A::kWhenNotFinite } -> std::convertible_to<std::string_view>;
  { model.check_finite(check) } -> std::same_as<void>;
  { A::Model::load(dir) } -> std::same_as<typename A::Model>;
  requires requires {
    { model.predict(rows, request) } -> std::same_as<Predictions>;
  } || requires(const Invocation& invocation) {
    { model.answer(invocation) } -> std::same_as<Answer>;
  };
  requires requires { model.save(dir); } || requires {
    model.save(dir, context);
  };
};

/// A loaded model. All functions may be called by many threads at once.
struct ServedModel {
  std::function<Predictions(const formats::Batch&, const ServeRequest&)> predict;
  std::function<Answer(const Invocation&)> answer;                    // empty: predict() is asked
  std::function<std::optional<Document>(std::string_view)> document;  // may be empty
  std::int64_t feature_dim = 0;                                       // 0: any
  bool accepts_tokens = false;
};

struct Program {
  std::string name;
  Descriptor descriptor;
  Json hyperparameters;  // Schema::describe()
  std::string hyperparameter_table, hyperparameter_help;
  std::function<contract::Hyperparameters()> defaults;
  std::function<contract::Hyperparameters(const contract::Hyperparameters&)> configuration;
  /// Checks the hyperparameters; the returned function trains and saves.
  std::function<std::function<void(TrainContext&)>(const contract::Hyperparameters&)> prepare;
  std::function<ServedModel(const std::filesystem::path& model_dir)> load;
};

template <Algorithm A>
ServedModel load_model(const std::filesystem::path& dir) {
  auto model = std::make_shared<const typename A::Model>(A::Model::load(dir));
  ServedModel out;
  if constexpr (requires(const Invocation& invocation) { model->answer(invocation); })
    out.answer = [model](const Invocation& invocation) { return model->answer(invocation); };
  else
    out.predict = [model](const formats::Batch& rows, const ServeRequest& request) {
      return model->predict(rows, request);
    };
  if constexpr (requires { model->document(std::string_view()); })
    out.document = [model](std::string_view path) { return model->document(path); };
  if constexpr (requires { model->feature_dim(); }) out.feature_dim = model->feature_dim();
  if constexpr (requires { model->accepts_tokens(); }) out.accepts_tokens = model->accepts_tokens();
  return out;
}

template <Algorithm A>
void train_and_save(const typename A::Hyperparameters& hyperparameters, TrainContext& context) {
  const typename A::Model model = A::train(hyperparameters, context);
  model.check_finite(FiniteCheck(A::kName, A::kWhenNotFinite));
  if constexpr (requires { model.save(context.model_dir(), context); })
    model.save(context.model_dir(), context);
  else if (context.hosts().is_first())
    model.save(context.model_dir());
}

template <Algorithm A>
Program program_of() {
  const auto& schema = A::schema();
  Program out;
  out.name = std::string(std::string_view(A::kName));
  out.descriptor = A::descriptor();
  out.hyperparameters = schema.describe();
  out.hyperparameter_table = schema.to_markdown();
  out.hyperparameter_help = schema.help();
  out.defaults = [&schema] { return schema.defaults(); };
  out.configuration = [&schema](const contract::Hyperparameters& given) { return schema.configuration(given); };
  out.prepare = [&schema](const contract::Hyperparameters& given) {
    const auto parse = [&] {
      if constexpr (requires { A::parse(given); })
        return A::parse(given);
      else
        return schema.parse(given);
    };
    return [hyperparameters = parse()](TrainContext& context) { train_and_save<A>(hyperparameters, context); };
  };
  out.load = [](const std::filesystem::path& dir) { return load_model<A>(dir); };
  return out;
}

}  // namespace clary::shell
