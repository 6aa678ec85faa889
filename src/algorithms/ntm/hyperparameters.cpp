// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/hyperparameters.h"

#include <cmath>

namespace clary::ntm {

Shape Hyperparameters::shape() const {
  return {feature_dim, num_topics, encoder_layers.empty() ? automatic_layers(num_topics) : encoder_layers,
          encoder_layers_activation, batch_norm};
}

OptimizerOptions Hyperparameters::optimizer_options() const {
  return {.rule = optimizer,
          .learning_rate = static_cast<float>(learning_rate),
          .rescale_gradient = static_cast<float>(rescale_gradient),
          .clip_gradient = std::isinf(clip_gradient) ? 0.0f : static_cast<float>(clip_gradient),
          .weight_decay = static_cast<float>(weight_decay)};
}

const Schema<Hyperparameters>& schema() {
  using H = Hyperparameters;
  using kernels::Activation;
  using optim::Rule;
  using namespace hyper;  // NOLINT: the table below is made of its words
  static const Schema<H> s{
      "ntm",
      {
          integer("feature_dim", &H::feature_dim, 1, 1'000'000).required().about("Vocabulary size (V)."),
          integer("num_topics", &H::num_topics, 2, 1000).required().about("Topics to learn (K)."),
          integer_list("encoder_layers", &H::encoder_layers, 1, 1'000'000)
              .literal("auto", "")
              .about("Units of each encoder layer, \"100,50\" or \"[100, 50]\"; auto: two layers of 3K and 2K."),
          categorical("encoder_layers_activation", &H::encoder_layers_activation,
                      {{"sigmoid", Activation::kSigmoid}, {"tanh", Activation::kTanh}, {"relu", Activation::kRelu}})
              .tunable()
              .about("Activation of the encoder layers."),
          integer("epochs", &H::epochs, 1).about("At most this many passes over the training data."),
          integer("mini_batch_size", &H::mini_batch_size, 1, 10000)
              .tunable(16, 2048)
              .about("Documents per step, on each host."),
          categorical("optimizer", &H::optimizer,
                      {{"sgd", Rule::kSgd},
                       {"adam", Rule::kAdam},
                       {"adagrad", Rule::kAdagrad},
                       {"rmsprop", Rule::kRmsprop},
                       {"adadelta", Rule::kAdadelta}})
              .tunable()
              .about("Update rule."),
          continuous("learning_rate", &H::learning_rate, 1e-6, 1.0)
              .tunable(1e-4, 0.1, Scaling::kLogarithmic)
              .about("Step size; adadelta has none and ignores it."),
          integer("num_patience_epochs", &H::num_patience_epochs, 1)
              .about("Training stops after more than this many bad epochs in a row; above epochs: never."),
          continuous("tolerance", &H::tolerance, 1e-6, 0.1)
              .about("An epoch is bad unless the loss fell by this much, in nats (absolute), below the lowest of the "
                     "last num_patience_epochs."),
          boolean("batch_norm", &H::batch_norm).about("Normalise every encoder layer over the batch."),
          continuous("rescale_gradient", &H::rescale_gradient, 1e-3, 1.0)
              .tunable(0.1, 1.0)
              .about("Factor on the gradient, which is the sum over the documents of a batch."),
          continuous("clip_gradient", &H::clip_gradient, 1e-3)
              .literal("Inf", "inf")
              .about("Bound on each gradient element; Inf: none."),
          continuous("weight_decay", &H::weight_decay, 0, 1).tunable(0, 1).about("L2 penalty."),
          continuous("sub_sample", &H::sub_sample, 0, 1)
              .about("Share of the training documents drawn afresh for each epoch; above 0."),
          integer("patience_warmup_epochs", &H::patience_warmup_epochs, 0)
              .about("Epochs at the start that never count as bad (Clary only; 0 is AWS's behaviour)."),
          integer("kl_warmup_epochs", &H::kl_warmup_epochs, 0)
              .about("Epochs over which the KL term's gradient grows from 0 to full (Clary only; 0: full at once)."),
          integer("sync_steps", &H::sync_steps, 0)
              .about("Several hosts: steps between exchanges; 0: 8 divided by the number of hosts (Clary only)."),
          ignored<H>("_tuning_objective_metric"),
          ignored<H>("_data_format", "record"),
          ignored<H>("_num_gpus", "auto"),
          ignored<H>("_num_kv_servers", "auto"),
          ignored<H>("_kvstore", "auto_gpu"),
      },
      {{"sub_sample must be above 0", [](const H& hp) { return hp.sub_sample > 0; }}}};
  return s;
}

}  // namespace clary::ntm
