// SPDX-License-Identifier: Apache-2.0
// Seq2Seq's hyperparameters: the struct and its one table. Names, ranges and defaults are those of AWS's manual page
// "Sequence-to-Sequence Hyperparameters".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "algorithms/seq2seq/model/architecture.h"
#include "algorithms/seq2seq/model/parameters.h"
#include "algorithms/seq2seq/network/network.h"
#include "learning/hyper/schema.h"
#include "learning/optim/update.h"

namespace clary::seq2seq {

enum class Metric { kPerplexity, kAccuracy, kBleu };
enum class RateSchedule { kPlateauReduce, kFixedRateInvT, kFixedRateInvSqrtT };

struct Hyperparameters {
  std::int64_t batch_size = 64;
  std::int64_t beam_size = 5;
  std::int64_t bleu_sample_size = 0;
  std::int64_t bucket_width = 10;
  bool bucketing_enabled = true;
  std::int64_t checkpoint_frequency_num_batches = 1000;
  std::int64_t checkpoint_threshold = 3;
  double clip_gradient = 1;
  ConvActivation cnn_activation_type = ConvActivation::kGlu;
  double cnn_hidden_dropout = 0;
  std::int64_t cnn_kernel_width_decoder = 5;
  std::int64_t cnn_kernel_width_encoder = 3;
  std::int64_t cnn_num_hidden = 512;
  NetworkType decoder_type = NetworkType::kRnn;
  double embed_dropout_source = 0;
  double embed_dropout_target = 0;
  NetworkType encoder_type = NetworkType::kRnn;
  std::int64_t fixed_rate_lr_half_life = 10;
  double learning_rate = 0.0003;
  std::string loss_type = "cross-entropy";
  RateSchedule lr_scheduler_type = RateSchedule::kPlateauReduce;
  std::int64_t max_num_batches = -1;
  std::optional<std::int64_t> max_num_epochs;
  std::int64_t max_seq_len_source = 100;
  std::int64_t max_seq_len_target = 100;
  std::int64_t min_num_epochs = 0;
  std::optional<double> momentum;
  std::int64_t num_embed_source = 512;
  std::int64_t num_embed_target = 512;
  std::int64_t num_layers_encoder = 1;
  std::int64_t num_layers_decoder = 1;
  Metric optimized_metric = Metric::kPerplexity;
  optim::Rule optimizer_type = optim::Rule::kAdam;
  double plateau_reduce_lr_factor = 0.5;
  std::int64_t plateau_reduce_lr_threshold = 3;
  bool rnn_attention_in_upper_layers = true;
  std::optional<std::int64_t> rnn_attention_num_hidden;  // none: rnn_num_hidden
  Attention rnn_attention_type = Attention::kMlp;
  Cell rnn_cell_type = Cell::kLstm;
  StateInit rnn_decoder_state_init = StateInit::kLast;
  std::int64_t rnn_first_residual_layer = 2;
  std::int64_t rnn_num_hidden = 1024;
  bool rnn_residual_connections = false;
  double rnn_decoder_hidden_dropout = 0;
  Metric training_metric = Metric::kPerplexity;
  double weight_decay = 0;
  double weight_init_scale = 2.34;
  WeightInit weight_init_type = WeightInit::kXavier;
  XavierFactor xavier_factor_type = XavierFactor::kIn;
  std::string tuning_objective;  // what a tuning job sends along

  /// @param source_vocabulary, target_vocabulary  largest id + 1
  Architecture architecture(std::int64_t source_vocabulary, std::int64_t target_vocabulary) const;
  Dropout dropout() const;
  InitOptions init_options() const;
  /// Validation pairs are decoded at each checkpoint.
  bool decodes() const { return optimized_metric == Metric::kBleu || bleu_sample_size != 0; }
};

/// "perplexity", "accuracy", "bleu"
const char* name_of(Metric metric);
/// "adam", "sgd", "rmsprop"
const char* name_of(optim::Rule rule);

const Schema<Hyperparameters>& schema();

}  // namespace clary::seq2seq
