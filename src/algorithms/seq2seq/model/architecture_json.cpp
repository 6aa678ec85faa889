// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/model/architecture_json.h"

#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "formats/vocabulary_json.h"

namespace clary::seq2seq {
namespace {

constexpr const char* kWhere = "model.json: architecture";

/// Far above every model that fits into memory, and small enough that no product of a tensor's sizes overflows.
constexpr std::int64_t kMaxWidth = 100'000, kMaxLayers = 1000, kMaxKernel = 1000, kMaxLength = 1'000'000;

struct Number {
  const char* name;
  std::int64_t Architecture::*member;
  std::int64_t low, high;
};
constexpr std::array<Number, 14> kNumbers{{
    {"source_vocabulary", &Architecture::source_vocabulary, 4, formats::kMaxVocabularySize},
    {"target_vocabulary", &Architecture::target_vocabulary, 4, formats::kMaxVocabularySize},
    {"num_embed_source", &Architecture::num_embed_source, 1, kMaxWidth},
    {"num_embed_target", &Architecture::num_embed_target, 1, kMaxWidth},
    {"num_layers_encoder", &Architecture::encoder_layers, 1, kMaxLayers},
    {"num_layers_decoder", &Architecture::decoder_layers, 1, kMaxLayers},
    {"max_seq_len_source", &Architecture::max_seq_len_source, 1, kMaxLength},
    {"max_seq_len_target", &Architecture::max_seq_len_target, 1, kMaxLength},
    {"rnn_num_hidden", &Architecture::rnn_hidden, 2, kMaxWidth},
    {"rnn_first_residual_layer", &Architecture::first_residual_layer, 1, kMaxLayers + 1},
    {"rnn_attention_num_hidden", &Architecture::attention_hidden, 1, kMaxWidth},
    {"cnn_num_hidden", &Architecture::cnn_hidden, 1, kMaxWidth},
    {"cnn_kernel_width_encoder", &Architecture::kernel_width_encoder, 1, kMaxKernel},
    {"cnn_kernel_width_decoder", &Architecture::kernel_width_decoder, 1, kMaxKernel},
}};

struct Switch {
  const char* name;
  bool Architecture::*member;
};
constexpr std::array<Switch, 2> kSwitches{{
    {"rnn_residual_connections", &Architecture::residual},
    {"rnn_attention_in_upper_layers", &Architecture::attention_in_upper_layers},
}};

template <class E>
using Words = std::initializer_list<std::pair<std::string_view, E>>;

/// Calls visit(name, member, words) for each choice. Written once for both directions.
template <class A, class Visit>
void for_each_choice(A& a, Visit&& visit) {
  const Words<NetworkType> types{{"rnn", NetworkType::kRnn}, {"cnn", NetworkType::kCnn}};
  visit("encoder_type", a.encoder, types);
  visit("decoder_type", a.decoder, types);
  visit("rnn_cell_type", a.cell, Words<Cell>{{"lstm", Cell::kLstm}, {"gru", Cell::kGru}});
  visit("rnn_attention_type", a.attention,
        Words<Attention>{{"mlp", Attention::kMlp},
                         {"dot", Attention::kDot},
                         {"bilinear", Attention::kBilinear},
                         {"fixed", Attention::kFixed}});
  visit("rnn_decoder_state_init", a.state_init,
        Words<StateInit>{{"last", StateInit::kLast}, {"avg", StateInit::kAvg}, {"zero", StateInit::kZero}});
  visit("cnn_activation_type", a.activation,
        Words<ConvActivation>{{"glu", ConvActivation::kGlu},
                              {"relu", ConvActivation::kRelu},
                              {"softrelu", ConvActivation::kSoftRelu},
                              {"sigmoid", ConvActivation::kSigmoid},
                              {"tanh", ConvActivation::kTanh}});
}

[[noreturn]] void malformed(const std::string& where, const std::string& rule) {
  throw Error(Kind::kMalformed, where + ": " + rule);
}

const Json& member(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end()) malformed(kWhere, fmt::format("{} is missing", name));
  return *found;
}

}  // namespace

Json to_json(const Architecture& architecture) {
  Json out = Json::object();
  for (const Number& number : kNumbers) out[number.name] = architecture.*number.member;
  for (const Switch& row : kSwitches) out[row.name] = architecture.*row.member;
  for_each_choice(architecture, [&](const char* name, auto value, const auto& words) {
    for (const auto& [word, meaning] : words)
      if (meaning == value) out[name] = word;
  });
  return out;
}

Architecture architecture_of(const Json& json) {
  if (!json.is_object()) malformed(kWhere, "is no object");
  Architecture out;
  for (const Number& number : kNumbers) {
    const auto value = exact_integer(member(json, number.name));
    if (!value)
      malformed(kWhere, fmt::format("{} is {:.40}, must be an integer", number.name, dump_json(json[number.name])));
    out.*number.member = *value;
  }
  for (const Switch& row : kSwitches) {
    const Json& value = member(json, row.name);
    if (!value.is_boolean())
      malformed(kWhere, fmt::format("{} is {:.40}, must be true or false", row.name, dump_json(value)));
    out.*row.member = value.get<bool>();
  }
  for_each_choice(out, [&](const char* name, auto& value, const auto& words) {
    const Json& given = member(json, name);
    for (const auto& [word, meaning] : words)
      if (given == word) {
        value = meaning;
        return;
      }
    malformed(kWhere, fmt::format("{} is {:.40}, which is not one of its words", name, dump_json(given)));
  });
  check_architecture(out, kWhere);
  return out;
}

void check_architecture(const Architecture& a, const std::string& where) {
  for (const Number& number : kNumbers)
    if (a.*number.member < number.low || a.*number.member > number.high)
      malformed(where,
                fmt::format("{} is {}, must be from {} to {}", number.name, a.*number.member, number.low, number.high));
  if (a.rnn_hidden % 2 != 0) malformed(where, fmt::format("rnn_num_hidden is {}, must be even", a.rnn_hidden));
  if (a.kernel_width_encoder % 2 == 0)
    malformed(where, fmt::format("cnn_kernel_width_encoder is {}, must be odd", a.kernel_width_encoder));
  if (a.decoder == NetworkType::kCnn && a.encoder_width() != a.cnn_hidden)
    malformed(where, fmt::format("the encoder has {} units and the convolutional decoder {}, must be the same number",
                                 a.encoder_width(), a.cnn_hidden));
}

}  // namespace clary::seq2seq
