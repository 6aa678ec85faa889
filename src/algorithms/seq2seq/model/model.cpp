// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "algorithms/seq2seq/serve/answer.h"
#include "algorithms/seq2seq/serve/requests.h"
#include "base/error.h"
#include "base/text.h"

namespace clary::seq2seq {
namespace {

constexpr const char* kEnvPrecision = "CLARY_INFERENCE_PRECISION";

/// @throws Error{kInvalid} naming variable, value and the values there are
Precision precision_from_environment() {
  constexpr std::array<std::pair<std::string_view, Precision>, 3> kWords{
      {{"float32", Precision::kFloat32}, {"bfloat16", Precision::kBFloat16}, {"int8", Precision::kInt8}}};
  const char* text = std::getenv(kEnvPrecision);
  if (text == nullptr || *text == '\0') return Precision::kFloat32;
  for (const auto& [word, precision] : kWords)
    if (lower(trimmed(text)) == word) return precision;
  throw Error(Kind::kInvalid, fmt::format("{}: '{}' is not one of float32, bfloat16, int8", kEnvPrecision, text));
}

}  // namespace

Model Model::load(const std::filesystem::path& dir) {
  Model out = read(dir);
  out.translator_ = std::make_shared<const Translator>(out.architecture, out.parameters, out.decode_limits(),
                                                       precision_from_environment());
  out.parameters = {};  // the translator has its own
  return out;
}

DecodeLimits Model::lengths() const {
  return {.length_ratio_mean = length_ratio_mean,
          .length_ratio_std = length_ratio_std,
          .max_source = architecture.max_seq_len_source,
          .max_target = architecture.max_seq_len_target,
          .never = {}};
}

DecodeLimits Model::decode_limits() const {
  DecodeLimits out = lengths();
  out.never = target.gaps();
  return out;
}

void Model::check_finite(const shell::FiniteCheck& check) const {
  for (const Tensor& tensor : parameters.list()) check.array(tensor.name, parameters.of(tensor));
}

shell::Answer Model::answer(const shell::Invocation& invocation) const {
  const DecodeOptions usual{.beam_size = std::min({beam_size, kMaxBeam, target.words()})};
  return answer_to(invocation, {source, target, usual, lengths()},
                   [this](std::span<const std::vector<std::int32_t>> sources, const DecodeOptions& options) {
                     return translator_->translate(sources, options);
                   });
}

}  // namespace clary::seq2seq
