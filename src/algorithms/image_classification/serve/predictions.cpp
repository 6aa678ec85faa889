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
#include "learning/vision/decode.h"

namespace clary::image_classification {
namespace {

using numeric::at;

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

nn::PredictorOptions predictor_options(const ServeOptions& options) {
  return {.precision = options.precision, .calibration = {}};
}

}  // namespace

ServeOptions serve_options_from_environment(Preprocess of_model) {
  constexpr Choice<Preprocess> kPreprocess[] = {{"stretch", Preprocess::kStretch},
                                                {"resize_crop", Preprocess::kResizeCrop}};
  constexpr Choice<nn::ServedPrecision> kPrecision[] = {{"float32", nn::ServedPrecision::kFloat32},
                                                        {"bfloat16", nn::ServedPrecision::kBFloat16}};
  constexpr Choice<bool> kBatch[] = {{"false", false}, {"true", true}, {"0", false}, {"1", true}};
  return {.preprocess = chosen("CLARY_INFERENCE_PREPROCESS", kPreprocess, of_model),
          .precision = chosen("CLARY_INFERENCE_PRECISION", kPrecision, nn::ServedPrecision::kFloat32),
          .batch = chosen(contract::kEnvBatch, kBatch, false)};
}

Predictions::Predictions(const Model& model, const ServeOptions& options)
    : options_(options),
      predictor_(resnet(model.description), model.parameters, predictor_options(options)),
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
