// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/model/sockeye.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "algorithms/seq2seq/model/sockeye_config.h"
#include "algorithms/seq2seq/model/testing_models.h"
#include "base/error.h"
#include "base/files.h"
#include "learning/artifact/mxnet_params.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {
namespace {

using artifact::NamedArray;
using numeric::at;
using ::testing::HasSubstr;

/// What PyYAML 3.12 makes of Sockeye's objects: innermost objects on one line, wrapped.
constexpr const char* kConfig = R"(!ModelConfig
_frozen: false
config_data: !DataConfig
  _frozen: false
  data_statistics: !DataStatistics
    buckets:
    - [10, 10]
    - [20, 20]
    length_ratio_mean: 1.25
    length_ratio_std: 0.5
    num_sents: 1000
  source: /home/user/train.src
config_decoder: !RecurrentDecoderConfig
  _frozen: false
  attention_config: !AttentionConfig {_frozen: false, attention_num_hidden: 6, config_coverage: null,
    input_previous_word: false, num_heads: null, query_num_hidden: 8, rnn_num_hidden: 8, source_num_hidden: 8,
    type: ATTENTION}
  context_gating: false
  hidden_dropout: 0.0
  layer_normalization: false
  max_seq_len_source: 9
  rnn_config: !RNNConfig {_frozen: false, cell_type: CELL, dropout_inputs: 0.0, first_residual_layer: 3, num_hidden: 8,
    num_layers: 3, residual: RESIDUAL}
  state_init: INIT
config_embed_source: !EmbeddingConfig {_frozen: false, dropout: 0.0, num_embed: 5}
config_encoder: !RecurrentEncoderConfig
  _frozen: false
  cnn_config: !ConvolutionConfig {_frozen: false, act_type: relu, kernel_width: 3, num_hidden: 8}
  conv_config: null
  reverse_input: false
  rnn_config: !RNNConfig {_frozen: false, cell_type: CELL, first_residual_layer: 3, residual: RESIDUAL}
lhuc: false
max_seq_len_source: 9
max_seq_len_target: 10
vocab_source_size: 11
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

std::string config_of(const Architecture& a) {
  std::string out = kConfig;
  constexpr std::array<const char*, 4> kAttention{"mlp", "dot", "bilinear", "fixed"};
  constexpr std::array<const char*, 3> kInit{"last", "avg", "zero"};
  out = replaced(out, "ATTENTION", kAttention[static_cast<std::size_t>(a.attention)]);
  out = replaced(out, "INIT", kInit[static_cast<std::size_t>(a.state_init)]);
  out = replaced(out, "CELL", a.cell == Cell::kLstm ? "lstm" : "gru");
  return replaced(out, "RESIDUAL", a.residual ? "true" : "false");
}

class Writer {
 public:
  explicit Writer(const Model& model) : model_(model) {}

  void add(const std::string& name, const std::string& ours) { add_rows(name, ours, 0, 1); }

  /// Part `part` of `parts` of one of our tensors.
  void add_rows(const std::string& name, const std::string& ours, std::int64_t part, std::int64_t parts) {
    const Tensor& tensor = model_.parameters.tensor(ours);
    NamedArray out{"arg:" + name, tensor.shape, {}};
    out.shape[0] /= parts;
    const auto values = model_.parameters.of(tensor).subspan(at(tensor.size / parts * part), at(tensor.size / parts));
    out.values.assign(values.begin(), values.end());
    arrays.push_back(std::move(out));
  }

  void cell(const std::string& prefix, const std::string& ours) {
    const std::vector<std::string> gates = model_.architecture.cell == Cell::kLstm
                                               ? std::vector<std::string>{"i", "f", "c", "o"}
                                               : std::vector<std::string>{"r", "z", "o"};
    for (std::int64_t g = 0; g < std::ssize(gates); ++g)
      for (const char* kind : {"weight", "bias"}) {
        add_rows(fmt::format("{}i2h_{}_{}", prefix, gates[at(g)], kind), fmt::format("{}.{}_ih", ours, kind), g,
                 std::ssize(gates));
        add_rows(fmt::format("{}h2h_{}_{}", prefix, gates[at(g)], kind), fmt::format("{}.{}_hh", ours, kind), g,
                 std::ssize(gates));
      }
  }

  void cnn(const std::string& side, const std::string& positions, std::int64_t layers) {
    add(positions, side + ".pos");
    add(side + "_cnn_i2h_weight", side + ".in.weight");
    for (std::int64_t k = 0; k < layers; ++k)
      for (const char* kind : {"weight", "bias"})
        add(fmt::format("{}_cnn_{}_conv_{}", side, k, kind), fmt::format("{}.conv{}.{}", side, k, kind));
  }

  std::vector<NamedArray> arrays;

 private:
  const Model& model_;
};

void write_decoder(Writer& to, const Architecture& a) {
  if (a.decoder == NetworkType::kCnn) {
    to.cnn("decoder", "target_pos_embed_weight", a.decoder_layers);
  } else {
    std::int64_t n = 0;
    for (std::int64_t k = 0; k < a.decoder_layers; ++k) {
      to.cell(fmt::format("decoder_rnn_l{}_", k), fmt::format("decoder.l{}", k));
      for (const char* state : {"h", "c"}) {
        if (a.state_init == StateInit::kZero || (*state == 'c' && a.cell == Cell::kGru)) continue;
        for (const char* kind : {"weight", "bias"})
          to.add(fmt::format("decoder_rnn_enc2decinit_{}_{}", n, kind),
                 fmt::format("decoder.init.{}.{}.{}", k, state, kind));
        ++n;
      }
    }
    for (const char* kind : {"weight", "bias"})
      to.add(std::string("decoder_rnn_hidden_") + kind, std::string("decoder.hidden.") + kind);
    if (a.attention == Attention::kMlp) {
      to.add("att_e2h_weight", "attention.source.weight");
      to.add("att_q2h_weight", "attention.query.weight");
      to.add("att_h2s_weight", "attention.v.weight");
    } else if (a.attention == Attention::kBilinear) {
      to.add("att_s2t_weight", "attention.source.weight");
    } else if (a.attention == Attention::kDot && a.attention_hidden != a.rnn_hidden) {
      to.add("att_s2h_weight", "attention.source.weight");
      to.add("att_t2h_weight", "attention.query.weight");
    }
  }
  for (const char* kind : {"weight", "bias"})
    to.add(fmt::format("decoder_{}_cls_{}", a.decoder == NetworkType::kRnn ? "rnn" : "cnn", kind),
           std::string("output.") + kind);
}

std::vector<NamedArray> arrays_of(const Model& model) {
  const Architecture& a = model.architecture;
  Writer to(model);
  to.add("source_embed_weight", "source_embed.weight");
  to.add("target_embed_weight", "target_embed.weight");
  if (a.encoder == NetworkType::kCnn) {
    to.cnn("encoder", "source_pos_embed_weight", a.encoder_layers);
  } else {
    to.cell("encoder_birnn_forward_l0_", "encoder.l0.fwd");
    to.cell("encoder_birnn_reverse_l0_", "encoder.l0.bwd");
    for (std::int64_t k = 1; k < a.encoder_layers; ++k)
      to.cell(fmt::format("encoder_rnn_l{}_", k - 1), fmt::format("encoder.l{}", k));
  }
  write_decoder(to, a);
  return std::move(to.arrays);
}

Model read(const std::vector<NamedArray>& arrays, const std::string& config, const Model& of) {
  const std::string bytes = artifact::write_arrays(arrays);
  return read_sockeye("params.best", std::as_bytes(std::span(bytes)), config, of.source, of.target);
}

std::string failure(const std::vector<NamedArray>& arrays, const std::string& config, const Model& of, Kind kind) {
  try {
    read(arrays, config, of);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "no error";
}

std::vector<Architecture> architectures() {
  std::vector<Architecture> out(6, testing_architecture());
  out[1].cell = Cell::kGru, out[1].state_init = StateInit::kAvg;
  out[1].encoder_layers = out[1].decoder_layers = 3;
  out[1].residual = true, out[1].first_residual_layer = 3;
  out[2].attention = Attention::kDot, out[2].state_init = StateInit::kZero;
  out[2].decoder_layers = 2, out[2].attention_in_upper_layers = false;
  out[3].attention = Attention::kFixed;
  out[4].encoder = NetworkType::kCnn, out[4].attention = Attention::kBilinear;
  out[4].activation = ConvActivation::kRelu, out[4].encoder_layers = 2;
  out[5].encoder = out[5].decoder = NetworkType::kCnn;
  out[5].activation = ConvActivation::kRelu, out[5].decoder_layers = 2;
  return out;
}

TEST(Seq2SeqSockeye, FoldersOfEachKindAreReadAsOurModels) {
  for (Architecture a : architectures()) {
    const Model model = testing_model(a);
    const Model got = read(arrays_of(model), config_of(a), model);
    // What such a network does not use has no trace in the folder.
    if (a.decoder_layers == 1) a.attention_in_upper_layers = got.architecture.attention_in_upper_layers;
    if (a.decoder == NetworkType::kCnn || a.attention == Attention::kBilinear || a.attention == Attention::kFixed)
      a.attention_hidden = got.architecture.attention_hidden;
    if (a.decoder == NetworkType::kCnn) {
      a.state_init = got.architecture.state_init;
      if (a.encoder == NetworkType::kCnn) a.rnn_hidden = got.architecture.rnn_hidden;
    }
    if (a.encoder == NetworkType::kRnn && a.decoder == NetworkType::kRnn) a.cnn_hidden = got.architecture.cnn_hidden;
    EXPECT_EQ(got.architecture, a);
    ASSERT_EQ(got.parameters.list().size(), model.parameters.list().size());
    EXPECT_TRUE(std::ranges::equal(got.parameters.values(), model.parameters.values()));
    EXPECT_EQ(got.length_ratio_mean, 1.25);
    EXPECT_EQ(got.length_ratio_std, 0.5);
  }
}

TEST(Seq2SeqSockeye, ReadsAFolderWithItsLastParams) {
  const Model model = testing_model(testing_architecture());
  const TemporaryFolder folder;
  const auto write = [&](const char* name, std::string_view bytes) {
    write_file_atomically(folder.path() / name, bytes);
  };
  EXPECT_FALSE(is_sockeye_folder(folder.path()));
  write("params.00002", artifact::write_arrays(arrays_of(model)));
  write("params.00001", "older");
  write("config", config_of(model.architecture));
  write("vocab.src.json", model.source.text());
  EXPECT_THROW(Model::read(folder.path()), Error) << "no vocab.trg.json";
  write("vocab.trg.json", model.target.text());
  EXPECT_TRUE(std::ranges::equal(Model::read(folder.path()).parameters.values(), model.parameters.values()));
  write("params.best", "broken");
  EXPECT_THROW(Model::read(folder.path()), Error) << "params.best comes first";
}

TEST(Seq2SeqSockeye, TiedWeightsAreOneArray) {
  Architecture a = testing_architecture();
  a.target_vocabulary = a.source_vocabulary, a.num_embed_source = a.num_embed_target = a.rnn_hidden;
  const Model model = testing_model(a);
  auto arrays = arrays_of(model);
  std::erase_if(arrays, [](const NamedArray& x) {
    return x.name == "arg:target_embed_weight" || x.name == "arg:decoder_rnn_cls_weight";
  });
  arrays[0].name = "arg:source_target_embed_weight";
  const Model got = read(arrays, config_of(a), model);
  for (const char* name : {"source_embed.weight", "target_embed.weight", "output.weight"})
    EXPECT_TRUE(std::ranges::equal(got.parameters.of(name), model.parameters.of("source_embed.weight"))) << name;
}

/// A GRU of one unit each way, written down number by number, apart from the writer above.
TEST(Seq2SeqSockeye, GatesOfAGruAreStackedInTheirOrder) {
  Architecture a = testing_architecture();
  a.cell = Cell::kGru, a.rnn_hidden = 2, a.num_embed_source = 1;
  const Model model = testing_model(a);
  auto arrays = arrays_of(model);
  const auto set = [&](const std::string& name, float value) {
    for (NamedArray& array : arrays)
      if (array.name == "arg:" + name) array.values.assign(array.values.size(), value);
  };
  set("encoder_birnn_forward_l0_i2h_r_weight", 1), set("encoder_birnn_forward_l0_i2h_z_weight", 2);
  set("encoder_birnn_forward_l0_i2h_o_weight", 3), set("encoder_birnn_reverse_l0_h2h_o_bias", 4);
  const Model got = read(arrays, config_of(a), model);
  EXPECT_THAT(got.parameters.of("encoder.l0.fwd.weight_ih"), ::testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(got.parameters.of("encoder.l0.bwd.bias_hh")[2], 4);
}

TEST(Seq2SeqSockeye, WhatCannotBeHostedIsNamed) {
  const Model model = testing_model(testing_architecture());
  const auto arrays = arrays_of(model);
  const std::string config = config_of(model.architecture);
  const auto with = [&](const std::string& from, const std::string& to) {
    return failure(arrays, replaced(config, from, to), model, Kind::kInvalid);
  };
  EXPECT_THAT(with("layer_normalization: false", "layer_normalization: true"),
              HasSubstr("a Sockeye model with layer_normalization cannot be hosted"));
  EXPECT_THAT(with("type: mlp", "type: coverage"), HasSubstr("attention of the type 'coverage'"));
  EXPECT_THAT(with("cell_type: lstm", "cell_type: lnlstm"), HasSubstr("cells of the type 'lnlstm'"));
  EXPECT_THAT(
      failure(arrays, replaced(config, "length_ratio_mean: 1.25", "length_ratio_mean: 1e30"), model, Kind::kMalformed),
      HasSubstr("length_ratio_mean is 1e+30, must be from 0 to 10"));
  EXPECT_THAT(
      failure(arrays, replaced(config, "max_seq_len_source: 9", "max_seq_len_source: x"), model, Kind::kMalformed),
      HasSubstr("max_seq_len_source is x, must be an integer"));

  auto more = arrays;
  more.push_back({"arg:decoder_rnn_gate_weight", {1}, {0.F}});
  EXPECT_THAT(failure(more, config, model, Kind::kMalformed),
              HasSubstr("params.best: the array decoder_rnn_gate_weight belongs to nothing"));
  more = arrays;
  std::erase_if(more, [](const NamedArray& x) { return x.name == "arg:decoder_rnn_hidden_bias"; });
  EXPECT_THAT(failure(more, config, model, Kind::kMalformed),
              HasSubstr("the array decoder_rnn_hidden_bias is missing"));
  EXPECT_THAT(failure({}, config, model, Kind::kMalformed), HasSubstr("source_embed_weight is missing"));
}

TEST(Seq2SeqSockeyeConfig, ValuesAreFoundByKeyAndSection) {
  const SockeyeConfig config(config_of(testing_architecture()));
  EXPECT_EQ(config.text("type", "attention_config"), "mlp");
  EXPECT_EQ(config.integer("query_num_hidden"), 8);
  EXPECT_EQ(config.text("num_heads"), std::nullopt) << "null";
  EXPECT_EQ(config.integer("first_residual_layer", "config_encoder"), 3);
  EXPECT_EQ(config.number("length_ratio_std", "config_data"), 0.5);
  EXPECT_EQ(config.text("type", "config_encoder"), std::nullopt);
  EXPECT_EQ(config.integer("max_seq_len_target"), 10);
  EXPECT_FALSE(config.flag("lhuc"));
  EXPECT_THROW(SockeyeConfig("a: *id001").text("a"), Error);
  EXPECT_EQ(SockeyeConfig("a: &id001 !X {b: {c: 'd'}, e: 1}\nf: \"g\"").text("c", "b"), "d");
  EXPECT_EQ(SockeyeConfig("a: [1, {b: 2}]\nc: 3").text("c"), "3");
}

TEST(Seq2SeqSockeyeConfig, HostileTextIsBounded) {
  std::string deep, braces, many;
  for (int i = 0; i < 100; ++i) deep += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  for (int i = 0; i < 100; ++i) braces += "{a: ";
  for (int i = 0; i < 20'000; ++i) many += "a: 1\n";
  for (const std::string& text :
       {deep, braces, many, std::string(2 << 20, 'x'), "a: {" + std::string(200, 'k') + ": 1}"})
    EXPECT_THROW(SockeyeConfig{text}, Error);
  for (const char* text : {"}", "{", "]", "[", ":", "a: {", "}}}}", "- - -", "a: {b: }", "!", "a: !", "&", "a:\n  }"})
    EXPECT_FALSE(SockeyeConfig(text).text("zzz"));
}

}  // namespace
}  // namespace clary::seq2seq
