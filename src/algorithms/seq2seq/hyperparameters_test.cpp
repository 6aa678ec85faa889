// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/hyperparameters.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace clary::seq2seq {
namespace {

std::string problem(const hyper::TextMap& given) {
  try {
    schema().parse(given);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    return error.what();
  }
  return "";
}

TEST(Hyperparameters, DefaultsAreThePublishedOnes) {
  const hyper::TextMap published{{"batch_size", "64"},
                                 {"beam_size", "5"},
                                 {"bleu_sample_size", "0"},
                                 {"bucket_width", "10"},
                                 {"bucketing_enabled", "true"},
                                 {"checkpoint_frequency_num_batches", "1000"},
                                 {"checkpoint_threshold", "3"},
                                 {"clip_gradient", "1"},
                                 {"cnn_activation_type", "glu"},
                                 {"cnn_hidden_dropout", "0"},
                                 {"cnn_kernel_width_decoder", "5"},
                                 {"cnn_kernel_width_encoder", "3"},
                                 {"cnn_num_hidden", "512"},
                                 {"decoder_type", "rnn"},
                                 {"embed_dropout_source", "0"},
                                 {"embed_dropout_target", "0"},
                                 {"encoder_type", "rnn"},
                                 {"fixed_rate_lr_half_life", "10"},
                                 {"learning_rate", "0.0003"},
                                 {"loss_type", "cross-entropy"},
                                 {"lr_scheduler_type", "plateau_reduce"},
                                 {"max_num_batches", "-1"},
                                 {"max_num_epochs", ""},
                                 {"max_seq_len_source", "100"},
                                 {"max_seq_len_target", "100"},
                                 {"min_num_epochs", "0"},
                                 {"momentum", ""},
                                 {"num_embed_source", "512"},
                                 {"num_embed_target", "512"},
                                 {"num_layers_encoder", "1"},
                                 {"num_layers_decoder", "1"},
                                 {"optimized_metric", "perplexity"},
                                 {"optimizer_type", "adam"},
                                 {"plateau_reduce_lr_factor", "0.5"},
                                 {"plateau_reduce_lr_threshold", "3"},
                                 {"rnn_attention_in_upper_layers", "true"},
                                 {"rnn_attention_num_hidden", ""},
                                 {"rnn_attention_type", "mlp"},
                                 {"rnn_cell_type", "lstm"},
                                 {"rnn_decoder_state_init", "last"},
                                 {"rnn_first_residual_layer", "2"},
                                 {"rnn_num_hidden", "1024"},
                                 {"rnn_residual_connections", "false"},
                                 {"rnn_decoder_hidden_dropout", "0"},
                                 {"training_metric", "perplexity"},
                                 {"weight_decay", "0"},
                                 {"weight_init_scale", "2.34"},
                                 {"weight_init_type", "xavier"},
                                 {"xavier_factor_type", "in"},
                                 {"seed", "1"}};
  hyper::TextMap shown = schema().defaults();
  for (const char* name : {"_tuning_objective_metric", "_kvstore", "_num_gpus", "_num_kv_servers"}) shown.erase(name);
  EXPECT_EQ(shown, published);
}

TEST(Hyperparameters, OfThePublishedNotebookBecomeAnArchitecture) {
  const auto hp = schema().parse({{"max_seq_len_source", "60"},
                                  {"max_seq_len_target", "60"},
                                  {"optimized_metric", "bleu"},
                                  {"batch_size", "64"},
                                  {"checkpoint_frequency_num_batches", "1000"},
                                  {"rnn_num_hidden", "512"},
                                  {"num_layers_encoder", "1"},
                                  {"num_layers_decoder", "1"},
                                  {"num_embed_source", "512"},
                                  {"num_embed_target", "512"},
                                  {"checkpoint_threshold", "3"},
                                  {"max_num_batches", "2100"}});
  const Architecture a = hp.architecture(10'661, 15'980);
  EXPECT_EQ(Parameters::learned(a), 28'139'628);
  EXPECT_EQ(a.attention_hidden, 512) << "rnn_num_hidden where it is not given";
  EXPECT_EQ(a.max_seq_len_source, 60);
  EXPECT_TRUE(hp.decodes());
  EXPECT_FALSE(hp.max_num_epochs || hp.momentum);
}

TEST(Hyperparameters, EveryKindCanBeChosen) {
  const auto hp = schema().parse({{"encoder_type", "cnn"},
                                  {"decoder_type", "cnn"},
                                  {"rnn_cell_type", "gru"},
                                  {"rnn_attention_type", "bilinear"},
                                  {"rnn_decoder_state_init", "avg"},
                                  {"cnn_activation_type", "softrelu"},
                                  {"rnn_residual_connections", "True"},
                                  {"num_layers_decoder", "3"},
                                  {"rnn_attention_in_upper_layers", "false"},
                                  {"rnn_attention_num_hidden", "24"},
                                  {"weight_init_type", "uniform"},
                                  {"weight_init_scale", "-0.5"},
                                  {"xavier_factor_type", "avg"},
                                  {"cnn_hidden_dropout", "0.25"},
                                  {"optimizer_type", "sgd"},
                                  {"momentum", "0.9"}});
  const Architecture a = hp.architecture(10, 20);
  EXPECT_EQ(a.encoder, NetworkType::kCnn);
  EXPECT_EQ(a.decoder, NetworkType::kCnn);
  EXPECT_EQ(a.cell, Cell::kGru);
  EXPECT_EQ(a.attention, Attention::kBilinear);
  EXPECT_EQ(a.attention_hidden, 24);
  EXPECT_EQ(a.state_init, StateInit::kAvg);
  EXPECT_EQ(a.activation, ConvActivation::kSoftRelu);
  EXPECT_TRUE(a.residual);
  EXPECT_FALSE(a.context_in_upper_layers());
  EXPECT_EQ(hp.init_options().scale, 0.5) << "of uniform the size counts";
  EXPECT_EQ(hp.dropout().cnn_hidden, 0.25);
  EXPECT_EQ(hp.optimizer_type, optim::Rule::kMomentum);
}

TEST(Hyperparameters, UnknownNamesAreRefusedInTheContainersWords) {
  EXPECT_EQ(problem({{"x", "1"}}),
            "Additional hyperparameters are not allowed (u'x' was unexpected) (caused by ValidationError)");
}

TEST(Hyperparameters, WhatATuningJobSendsIsTaken) {
  EXPECT_EQ(problem({{"_tuning_objective_metric", "validation:perplexity"}, {"_kvstore", "device"}}), "");
  EXPECT_EQ(problem({{"_tuning_objective_metric", "validation:bleu"}, {"bleu_sample_size", "50"}}), "");
  EXPECT_EQ(problem({{"optimizer_type", "adam"}, {"momentum", "0.9"}}), "") << "a warning, not an error";
}

struct Broken {
  const char* name;
  hyper::TextMap given;
  const char* words;
};
class BrokenRule : public testing::TestWithParam<Broken> {};

TEST_P(BrokenRule, IsNamed) {
  EXPECT_NE(problem(GetParam().given).find(GetParam().words), std::string::npos) << problem(GetParam().given);
}

INSTANTIATE_TEST_SUITE_P(
    All, BrokenRule,
    testing::Values(
        Broken{
            "batch_size", {{"batch_size", "0"}}, "'batch_size' hyperparameter which must be an integer in the range"},
        Broken{"metric", {{"training_metric", "bleu"}}, "accepts one of the following: 'perplexity', 'accuracy'"},
        Broken{"loss", {{"loss_type", "mse"}}, "accepts one of the following: 'cross-entropy'"},
        Broken{"dropout", {{"embed_dropout_source", "1.5"}}, "must be a float in the range [0.0, 1.0]"},
        Broken{"rate", {{"learning_rate", "-0.1"}}, "The value '-0.1' is not valid for the 'learning_rate'"},
        Broken{"decay", {{"weight_decay", "-1"}}, "The value '-1' is not valid for the 'weight_decay'"},
        Broken{"factor", {{"plateau_reduce_lr_factor", "0"}}, "'plateau_reduce_lr_factor'"},
        Broken{"odd_units", {{"rnn_num_hidden", "5"}}, "num_hidden must be a multiple of 2"},
        Broken{"residual_layers", {{"rnn_residual_connections", "true"}}, "needs more than one layer"},
        Broken{"first_residual_layer",
               {{"rnn_residual_connections", "true"}, {"num_layers_encoder", "2"}, {"rnn_first_residual_layer", "1"}},
               "Residual connections on the first layer are not supported"},
        Broken{"units_differ",
               {{"decoder_type", "cnn"}},
               "We need to have the same number of hidden units in the decoder as we have in the encoder"},
        Broken{"even_kernel", {{"cnn_kernel_width_encoder", "4"}}, "Only odd kernel widths supported, but got 4"},
        Broken{"target_length", {{"max_seq_len_target", "1"}}, "max_seq_len_target must be at least 2"},
        Broken{"epochs",
               {{"min_num_epochs", "3"}, {"max_num_epochs", "2"}},
               "min_num_epochs must not exceed max_num_epochs (given max_num_epochs=2, min_num_epochs=3)"},
        Broken{"no_batches", {{"max_num_batches", "0"}}, "max_num_batches must be -1 or at least 1"},
        Broken{"xavier_scale", {{"weight_init_scale", "-1"}}, "weight_init_scale must be above 0"},
        Broken{"uniform_scale",
               {{"weight_init_scale", "0"}, {"weight_init_type", "uniform"}},
               "weight_init_scale must not be 0"},
        Broken{"bleu_objective", {{"_tuning_objective_metric", "validation:bleu"}}, "nothing is decoded without"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Hyperparameters, RulesOfKindsThatTheNetworkLacksDoNotApply) {
  EXPECT_EQ(problem({{"encoder_type", "cnn"}, {"decoder_type", "cnn"}, {"rnn_residual_connections", "true"}}), "");
}

}  // namespace
}  // namespace clary::seq2seq
