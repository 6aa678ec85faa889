// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/hyperparameters.h"

#include <fmt/format.h>

#include <cmath>

namespace clary::seq2seq {
namespace {

using H = Hyperparameters;
using Fields = std::vector<hyper::Field<H>>;
using namespace hyper;  // NOLINT: the tables below are made of its words

// AWS's page gives no upper bounds. These keep products of sizes far below 2^63; what a machine's memory allows is
// checked when the data are known.
constexpr std::int64_t kMaxBatch = 1'000'000, kMaxBeam = 10'000, kMaxLayers = 100, kMaxWidth = 100'000;
constexpr std::int64_t kMaxLength = 1'000'000, kMaxKernel = 1'000;

constexpr std::pair<const char*, Metric> kMetrics[] = {
    {"perplexity", Metric::kPerplexity}, {"accuracy", Metric::kAccuracy}, {"bleu", Metric::kBleu}};
constexpr std::pair<const char*, optim::Rule> kOptimizers[] = {
    {"adam", optim::Rule::kAdam}, {"sgd", optim::Rule::kMomentum}, {"rmsprop", optim::Rule::kRmsprop}};

Field<H> share(const char* name, double H::*member) { return continuous(name, member, 0, 1).tunable(0, 0.5); }

Field<H> network_type(const char* name, NetworkType H::*member) {
  return categorical(name, member, {{"rnn", NetworkType::kRnn}, {"cnn", NetworkType::kCnn}});
}

void add_data(Fields& to) {
  to.push_back(
      integer("batch_size", &H::batch_size, 1, kMaxBatch).tunable(16, 2048).about("Sentence pairs per update."));
  to.push_back(integer("bucket_width", &H::bucket_width, 1, kMaxLength)
                   .about("Step between the lengths of two buckets; a batch holds pairs of one bucket."));
  to.push_back(boolean("bucketing_enabled", &H::bucketing_enabled)
                   .about("Pairs of similar length share a batch; false: any pairs do."));
  to.push_back(integer("max_seq_len_source", &H::max_seq_len_source, 1, kMaxLength)
                   .about("Longer sources are cut to that many words."));
  to.push_back(integer("max_seq_len_target", &H::max_seq_len_target, 1, kMaxLength)
                   .about("Longer targets are cut to that many words, one of which is the end of the sentence."));
}

void add_network(Fields& to) {
  to.push_back(network_type("encoder_type", &H::encoder_type).about("Recurrent or convolutional encoder."));
  to.push_back(network_type("decoder_type", &H::decoder_type).about("Recurrent or convolutional decoder."));
  to.push_back(integer("num_embed_source", &H::num_embed_source, 1, kMaxWidth)
                   .tunable(256, 512)
                   .about("Width of the source words' vectors."));
  to.push_back(integer("num_embed_target", &H::num_embed_target, 1, kMaxWidth)
                   .tunable(256, 512)
                   .about("Width of the target words' vectors."));
  to.push_back(integer("num_layers_encoder", &H::num_layers_encoder, 1, kMaxLayers)
                   .tunable(1, 10)
                   .about("Layers of the encoder."));
  to.push_back(integer("num_layers_decoder", &H::num_layers_decoder, 1, kMaxLayers)
                   .tunable(1, 10)
                   .about("Layers of the decoder."));
  to.push_back(share("embed_dropout_source", &H::embed_dropout_source)
                   .about("Share of the source words' vectors that is dropped in training."));
  to.push_back(share("embed_dropout_target", &H::embed_dropout_target)
                   .about("Share of the target words' vectors that is dropped in training."));
}

void add_recurrent(Fields& to) {
  to.push_back(categorical("rnn_cell_type", &H::rnn_cell_type, {{"lstm", Cell::kLstm}, {"gru", Cell::kGru}})
                   .about("Cell of recurrent layers."));
  to.push_back(integer("rnn_num_hidden", &H::rnn_num_hidden, 2, kMaxWidth)
                   .tunable(128, 2048)
                   .about("Units of a recurrent layer; an even number."));
  to.push_back(categorical("rnn_attention_type", &H::rnn_attention_type,
                           {{"dot", Attention::kDot},
                            {"fixed", Attention::kFixed},
                            {"mlp", Attention::kMlp},
                            {"bilinear", Attention::kBilinear}})
                   .about("How the recurrent decoder weighs source words; fixed: the last one only."));
  to.push_back(integer("rnn_attention_num_hidden", &H::rnn_attention_num_hidden, 1, kMaxWidth)
                   .about("Units of mlp and dot attention; rnn_num_hidden without it."));
  to.push_back(boolean("rnn_attention_in_upper_layers", &H::rnn_attention_in_upper_layers)
                   .about("Upper layers of the recurrent decoder read the attention's result, too."));
  to.push_back(categorical("rnn_decoder_state_init", &H::rnn_decoder_state_init,
                           {{"last", StateInit::kLast}, {"avg", StateInit::kAvg}, {"zero", StateInit::kZero}})
                   .about("Start of the recurrent decoder: from the encoder's last output, from the mean, or zero."));
  to.push_back(boolean("rnn_residual_connections", &H::rnn_residual_connections)
                   .about("Upper recurrent layers add their input to their output."));
  to.push_back(integer("rnn_first_residual_layer", &H::rnn_first_residual_layer, 1, kMaxLayers)
                   .about("First such layer, counted from 1; at least 2."));
  to.push_back(share("rnn_decoder_hidden_dropout", &H::rnn_decoder_hidden_dropout)
                   .about("Share of what the recurrent decoder's hidden layer reads that is dropped in training."));
}

void add_convolutional(Fields& to) {
  to.push_back(categorical("cnn_activation_type", &H::cnn_activation_type,
                           {{"glu", ConvActivation::kGlu},
                            {"relu", ConvActivation::kRelu},
                            {"softrelu", ConvActivation::kSoftRelu},
                            {"sigmoid", ConvActivation::kSigmoid},
                            {"tanh", ConvActivation::kTanh}})
                   .about("Activation of convolutional layers."));
  to.push_back(share("cnn_hidden_dropout", &H::cnn_hidden_dropout)
                   .about("Share of the input of the convolutional decoder's layers that is dropped in training."));
  to.push_back(integer("cnn_kernel_width_decoder", &H::cnn_kernel_width_decoder, 1, kMaxKernel)
                   .about("Words that a layer of the convolutional decoder sees."));
  to.push_back(integer("cnn_kernel_width_encoder", &H::cnn_kernel_width_encoder, 1, kMaxKernel)
                   .about("Words that a layer of the convolutional encoder sees; an odd number."));
  to.push_back(integer("cnn_num_hidden", &H::cnn_num_hidden, 1, kMaxWidth)
                   .tunable(128, 2048)
                   .about("Feature maps of a convolutional layer."));
}

void add_start(Fields& to) {
  to.push_back(one_of("loss_type", &H::loss_type, {"cross-entropy"}).about("What is minimised."));
  to.push_back(continuous("weight_init_scale", &H::weight_init_scale, -kInfinite, kInfinite)
                   .tunable(-1, 3)
                   .about("Scale of the first weights; its size counts with weight_init_type uniform."));
  to.push_back(categorical("weight_init_type", &H::weight_init_type,
                           {{"uniform", WeightInit::kUniform}, {"xavier", WeightInit::kXavier}})
                   .tunable()
                   .about("Distribution of the first weights."));
  to.push_back(
      categorical("xavier_factor_type", &H::xavier_factor_type,
                  {{"in", XavierFactor::kIn}, {"out", XavierFactor::kOut}, {"avg", XavierFactor::kAvg}})
          .about("What xavier divides the scale by: inputs of a weight matrix, outputs, or the mean of both."));
}

void add_optimizer(Fields& to) {
  to.push_back(categorical("optimizer_type", &H::optimizer_type, {std::begin(kOptimizers), std::end(kOptimizers)})
                   .tunable()
                   .about("Update rule."));
  to.push_back(continuous("learning_rate", &H::learning_rate, 0)
                   .above_min()
                   .tunable(0.00005, 0.2, Scaling::kLogarithmic)
                   .about("Rate at the start."));
  to.push_back(continuous("momentum", &H::momentum, 0, 1)
                   .below_max()
                   .tunable(0.5, 0.9)
                   .about("Of sgd; none without it. It has no effect with other optimizers, which is warned of."));
  to.push_back(continuous("weight_decay", &H::weight_decay, 0).tunable(0, 0.1).about("Of weights, not of biases."));
  to.push_back(
      continuous("clip_gradient", &H::clip_gradient, -kInfinite, kInfinite)
          .tunable(1, 5)
          .about("Each number of the gradient is limited to [-clip_gradient, clip_gradient]; off when negative."));
  to.push_back(categorical("lr_scheduler_type", &H::lr_scheduler_type,
                           {{"plateau_reduce", RateSchedule::kPlateauReduce},
                            {"fixed_rate_inv_t", RateSchedule::kFixedRateInvT},
                            {"fixed_rate_inv_sqrt_t", RateSchedule::kFixedRateInvSqrtT}})
                   .tunable()
                   .about("The rate falls when the metric no longer improves, as 1/t, or as 1/sqrt(t)."));
  to.push_back(integer("fixed_rate_lr_half_life", &H::fixed_rate_lr_half_life, 1, kMaxLength)
                   .tunable(10, 30)
                   .about("Checkpoints until a fixed_rate schedule has halved the rate."));
  to.push_back(continuous("plateau_reduce_lr_factor", &H::plateau_reduce_lr_factor, 0, 1)
                   .above_min()
                   .tunable(0.1, 0.5)
                   .about("plateau_reduce multiplies the rate by it."));
  to.push_back(integer("plateau_reduce_lr_threshold", &H::plateau_reduce_lr_threshold, 1, kMaxLength)
                   .tunable(1, 5)
                   .about("Checkpoints without improvement before plateau_reduce lowers the rate."));
}

void add_loop(Fields& to) {
  to.push_back(integer("checkpoint_frequency_num_batches", &H::checkpoint_frequency_num_batches, 1)
                   .about("Updates between two checkpoints; each validates the model."));
  to.push_back(
      integer("checkpoint_threshold", &H::checkpoint_threshold, 1)
          .about("Checkpoints without improvement after which training stops; never where max_num_epochs is given."));
  to.push_back(integer("max_num_batches", &H::max_num_batches, -1).about("Updates; -1: no limit."));
  to.push_back(integer("max_num_epochs", &H::max_num_epochs, 1)
                   .about("Passes over the training pairs; no limit without it. Training goes on that long even where "
                          "it no longer improves."));
  to.push_back(integer("min_num_epochs", &H::min_num_epochs, 0)
                   .about("Passes before checkpoint_threshold may stop the training."));
  to.push_back(categorical("optimized_metric", &H::optimized_metric, {std::begin(kMetrics), std::end(kMetrics)})
                   .about("Metric of the validation pairs by which the best checkpoint is chosen."));
  to.push_back(categorical("training_metric", &H::training_metric,
                           {{"perplexity", Metric::kPerplexity}, {"accuracy", Metric::kAccuracy}})
                   .about("Metric of the training pairs that the log shows between checkpoints."));
  to.push_back(integer("bleu_sample_size", &H::bleu_sample_size, -1, kUnbounded)
                   .about("Validation pairs that are decoded at each checkpoint for BLEU; -1: all of them; 0: none, or "
                          "all where optimized_metric is bleu."));
  to.push_back(integer("beam_size", &H::beam_size, 1, kMaxBeam)
                   .about("Hypotheses that beam search keeps, for BLEU and at the endpoint."));
}

std::vector<Rule<H>> rules() {
  const auto has_rnn = [](const H& hp) {
    return hp.encoder_type == NetworkType::kRnn || hp.decoder_type == NetworkType::kRnn;
  };
  return {
      {"num_hidden must be a multiple of 2 for BiDirectionalRNNEncoders: rnn_num_hidden must be even",
       [](const H& hp) { return hp.rnn_num_hidden % 2 == 0; }},
      {"rnn_residual_connections needs more than one layer: num_layers_encoder or num_layers_decoder must be above 1",
       [has_rnn](const H& hp) {
         return !hp.rnn_residual_connections || !has_rnn(hp) || hp.num_layers_encoder > 1 || hp.num_layers_decoder > 1;
       }},
      {"Residual connections on the first layer are not supported: rnn_first_residual_layer must be at least 2",
       [has_rnn](const H& hp) {
         return !hp.rnn_residual_connections || !has_rnn(hp) || hp.rnn_first_residual_layer >= 2;
       }},
      {"We need to have the same number of hidden units in the decoder as we have in the encoder: rnn_num_hidden must "
       "equal cnn_num_hidden where encoder_type is rnn and decoder_type is cnn",
       [](const H& hp) {
         return hp.encoder_type != NetworkType::kRnn || hp.decoder_type != NetworkType::kCnn ||
                hp.rnn_num_hidden == hp.cnn_num_hidden;
       }},
      Rule<H>([](const H& hp) {
        return hp.cnn_kernel_width_encoder % 2 == 1
                   ? std::string()
                   : fmt::format("Only odd kernel widths supported, but got {}: cnn_kernel_width_encoder",
                                 hp.cnn_kernel_width_encoder);
      }),
      {"max_seq_len_target must be at least 2: the end of the sentence takes the place of a word",
       [](const H& hp) { return hp.max_seq_len_target >= 2; }},
      {"min_num_epochs must not exceed max_num_epochs",
       [](const H& hp) { return !hp.max_num_epochs || hp.min_num_epochs <= *hp.max_num_epochs; }},
      {"max_num_batches must be -1 or at least 1", [](const H& hp) { return hp.max_num_batches != 0; }},
      {"weight_init_scale must be above 0 where weight_init_type is xavier",
       [](const H& hp) { return hp.weight_init_type != WeightInit::kXavier || hp.weight_init_scale > 0; }},
      {"weight_init_scale must not be 0", [](const H& hp) { return hp.weight_init_scale != 0; }},
      {"_tuning_objective_metric validation:bleu needs optimized_metric bleu, or a bleu_sample_size other than 0: "
       "nothing is decoded without",
       [](const H& hp) { return hp.tuning_objective != "validation:bleu" || hp.decodes(); }}};
}

}  // namespace

Architecture Hyperparameters::architecture(std::int64_t source_vocabulary, std::int64_t target_vocabulary) const {
  Architecture out;
  out.encoder = encoder_type, out.decoder = decoder_type;
  out.source_vocabulary = source_vocabulary, out.target_vocabulary = target_vocabulary;
  out.num_embed_source = num_embed_source, out.num_embed_target = num_embed_target;
  out.encoder_layers = num_layers_encoder, out.decoder_layers = num_layers_decoder;
  out.max_seq_len_source = max_seq_len_source, out.max_seq_len_target = max_seq_len_target;
  out.cell = rnn_cell_type;
  out.rnn_hidden = rnn_num_hidden;
  out.residual = rnn_residual_connections, out.first_residual_layer = rnn_first_residual_layer;
  out.attention = rnn_attention_type;
  out.attention_hidden = rnn_attention_num_hidden.value_or(rnn_num_hidden);
  out.attention_in_upper_layers = rnn_attention_in_upper_layers;
  out.state_init = rnn_decoder_state_init;
  out.cnn_hidden = cnn_num_hidden;
  out.kernel_width_encoder = cnn_kernel_width_encoder, out.kernel_width_decoder = cnn_kernel_width_decoder;
  out.activation = cnn_activation_type;
  return out;
}

Dropout Hyperparameters::dropout() const {
  return {.embed_source = embed_dropout_source,
          .embed_target = embed_dropout_target,
          .decoder_hidden = rnn_decoder_hidden_dropout,
          .cnn_hidden = cnn_hidden_dropout};
}

InitOptions Hyperparameters::init_options() const {
  return {.type = weight_init_type, .factor = xavier_factor_type, .scale = std::abs(weight_init_scale)};
}

const char* name_of(Metric metric) {
  for (const auto& [name, value] : kMetrics)
    if (value == metric) return name;
  return "";
}

const char* name_of(optim::Rule rule) {
  for (const auto& [name, value] : kOptimizers)
    if (value == rule) return name;
  return "";
}

const Schema<Hyperparameters>& schema() {
  static const Schema<H> s = [] {
    Fields fields;
    for (const auto add : {add_data, add_network, add_recurrent, add_convolutional, add_start, add_optimizer, add_loop})
      add(fields);
    fields.push_back(free_text("_tuning_objective_metric", &H::tuning_objective)
                         .about("The metric of a tuning job, which sends it along.")
                         .hidden());
    for (const char* name : {"_kvstore", "_num_gpus", "_num_kv_servers"}) fields.push_back(ignored<H>(name));
    return Schema<H>("seq2seq", std::move(fields), rules(), Dialect::kValidationError);
  }();
  return s;
}

}  // namespace clary::seq2seq
