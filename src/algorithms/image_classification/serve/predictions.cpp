// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/serve/predictions.h"

#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

#include "algorithms/image_classification/data/prepare.h"
#include "base/error.h"
#include "base/text.h"
#include "contract/layout.h"
#include "learning/numeric/index.h"
#include "learning/numeric/threads.h"
#include "learning/vision/decode.h"

namespace clary::image_classification {
namespace {

using numeric::at;

constexpr const char* kPrecisionVariable = "CLARY_INFERENCE_PRECISION";

template <class T>
struct Choice {
  std::string_view word;
  T value;
};

/// The variable's value, or `usual` when it is not set. @throws Error{kInvalid}
template <class T, std::size_t kCount>
T chosen(const char* variable, const Choice<T> (&choices)[kCount], T usual) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return usual;
  std::string words;
  for (const Choice<T>& choice : choices) {
    if (lower(trimmed(text)) == choice.word) return choice.value;
    words += (words.empty() ? "" : ", ") + std::string(choice.word);
  }
  throw Error(Kind::kInvalid, fmt::format("{}: '{}' is not one of {}", variable, text, words));
}

/// @throws Error{kInvalid} for int8 without a calibration
nn::PredictorOptions predictor_options(const Model& model, const nn::Graph& graph, const ServeOptions& options) {
  nn::PredictorOptions out{.precision = options.precision, .threads = numeric::available_threads()};
  if (options.precision != nn::ServedPrecision::kInt8) return out;
  if (model.calibration.empty())
    throw Error(Kind::kInvalid,
                fmt::format("{}: int8 needs the calibration that training writes to model.json, which this model does "
                            "not hold; train it on as channel 'model' of a job (epochs=1 and a small learning_rate "
                            "are enough), or choose float32 or bfloat16",
                            kPrecisionVariable));
  for (const nn::Op& op : graph.ops) {
    const auto found = model.calibration.find(op.name);
    out.largest.push_back(found == model.calibration.end() ? 0 : found->second);
  }
  return out;
}

nn::Predictor predictor_of(const Model& model, const ServeOptions& options) {
  const nn::Graph graph = resnet(model.description);
  return {graph, model.parameters, predictor_options(model, graph, options)};
}

}  // namespace

ServeOptions serve_options_from_environment(Preprocess of_model) {
  constexpr Choice<Preprocess> kPreprocess[] = {{"stretch", Preprocess::kStretch},
                                                {"resize_crop", Preprocess::kResizeCrop}};
  constexpr Choice<nn::ServedPrecision> kPrecision[] = {{"float32", nn::ServedPrecision::kFloat32},
                                                        {"bfloat16", nn::ServedPrecision::kBFloat16},
                                                        {"int8", nn::ServedPrecision::kInt8}};
  constexpr Choice<bool> kBatch[] = {{"false", false}, {"true", true}, {"0", false}, {"1", true}};
  return {.preprocess = chosen("CLARY_INFERENCE_PREPROCESS", kPreprocess, of_model),
          .precision = chosen(kPrecisionVariable, kPrecision, nn::ServedPrecision::kFloat32),
          .batch = chosen(contract::kEnvBatch, kBatch, false)};
}

Predictions::Predictions(const Model& model, const ServeOptions& options)
    : options_(options),
      predictor_(predictor_of(model, options)),
      image_(model.description.image),
      loss_(model.multi_label ? nn::Loss::kLogistic : nn::Loss::kSoftmax),
      resize_(model.resize),
      class_names_(model.class_names) {}

void Predictions::prepare(std::span<const std::byte> file, std::int64_t& pixels_left,
                          std::span<std::uint8_t> out) const {
  Preparer preparer(image_, resize_);
  if (options_.preprocess == Preprocess::kStretch) {
    pixels_left -= preparer.stretch(file, pixels_left, out.data());
    return;
  }
  const vision::Size size = vision::Decoder(image_.channels, {.pixels = pixels_left}).open(file);
  pixels_left -= size.height * size.width;
  preparer.prepare(file, {}, out.data());
}

std::vector<float> Predictions::probabilities(std::span<const std::byte> file, std::int64_t& pixels_left) const {
  std::vector<std::uint8_t> pixels(at(image_.size()));
  prepare(file, pixels_left, pixels);
  std::vector<float> out(at(predictor_.outputs()));
  predictor_.run(1, pixels, out);
  nn::to_probabilities(loss_, predictor_.outputs(), out);
  return out;
}

std::string Predictions::name_of(std::int64_t c) const {
  const bool named = c < std::ssize(class_names_) && !class_names_[at(c)].empty();
  return named ? class_names_[at(c)] : std::to_string(c);
}

}  // namespace clary::image_classification
