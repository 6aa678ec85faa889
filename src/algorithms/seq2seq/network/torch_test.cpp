// SPDX-License-Identifier: Apache-2.0
// The whole model once more on LibTorch's autograd, written from the formulas and sharing no line with network/: one
// pair at a time, without padding or batches, in float64. Loss, labels right and every gradient of a step, for each
// kind of encoder, decoder, cell, attention, starting state, activation and number of layers.
#include <gtest/gtest.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <torch/torch.h>
#pragma GCC diagnostic pop

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/seq2seq/network/network.h"
#include "algorithms/seq2seq/network/testing_batches.h"
#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {
namespace {

using numeric::at;
using testing_batches::Lengths;
using torch::Tensor;

class Reference {
 public:
  Reference(const Architecture& architecture, const Parameters& parameters) : a_(architecture) {
    for (const seq2seq::Tensor& p : parameters.list())
      t_[p.name] = torch::from_blob(const_cast<float*>(parameters.of(p).data()), p.shape)
                       .to(torch::kDouble)
                       .clone()
                       .requires_grad_(true);
  }

  /// [m, V] of labels 0 .. m - 1. @param input  <s> and the target's words
  Tensor logits(const std::vector<std::int64_t>& source, const std::vector<std::int64_t>& input) const {
    const Tensor encoded = a_.encoder == NetworkType::kRnn ? rnn_encoder(source) : cnn_encoder(source);
    const Tensor features = a_.decoder == NetworkType::kRnn ? rnn_decoder(encoded, input) : cnn_decoder(encoded, input);
    return torch::matmul(features, at("output.weight").t()) + at("output.bias");
  }

  /// Zero where nothing used the tensor.
  Tensor gradient(const std::string& name) const {
    const Tensor& tensor = at(name);
    return tensor.grad().defined() ? tensor.grad() : torch::zeros_like(tensor);
  }

 private:
  const Tensor& at(const std::string& name) const { return t_.at(name); }

  Tensor embed(const std::string& table, const std::vector<std::int64_t>& ids) const {
    return at(table).index_select(0, torch::tensor(ids, torch::kLong));
  }

  struct State {
    Tensor h, c;
  };

  State cell(const std::string& prefix, const Tensor& x, const State& s) const {
    const Tensor from_input = torch::mv(at(prefix + ".weight_ih"), x) + at(prefix + ".bias_ih");
    const Tensor from_state = torch::mv(at(prefix + ".weight_hh"), s.h) + at(prefix + ".bias_hh");
    if (a_.cell == Cell::kLstm) {
      const auto g = (from_input + from_state).chunk(4);
      const Tensor c = torch::sigmoid(g[1]) * s.c + torch::sigmoid(g[0]) * torch::tanh(g[2]);
      return {torch::sigmoid(g[3]) * torch::tanh(c), c};
    }
    const auto x_gates = from_input.chunk(3), h_gates = from_state.chunk(3);
    const Tensor r = torch::sigmoid(x_gates[0] + h_gates[0]), z = torch::sigmoid(x_gates[1] + h_gates[1]);
    const Tensor n = torch::tanh(x_gates[2] + r * h_gates[2]);
    return {(1 - z) * n + z * s.h, {}};
  }

  static State zero_state(std::int64_t units) {
    return {torch::zeros({units}, torch::kDouble), torch::zeros({units}, torch::kDouble)};
  }

  /// Outputs by position, in the order of x's rows whatever the direction.
  std::vector<Tensor> run(const std::string& prefix, const std::vector<Tensor>& x, std::int64_t units,
                          bool backwards) const {
    std::vector<Tensor> out(x.size());
    State state = zero_state(units);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t t = backwards ? x.size() - 1 - i : i;
      state = cell(prefix, x[t], state);
      out[t] = state.h;
    }
    return out;
  }

  Tensor rnn_encoder(const std::vector<std::int64_t>& source) const {
    std::vector<Tensor> x = embed("source_embed.weight", source).unbind(0);
    const auto forwards = run("encoder.l0.fwd", x, a_.rnn_hidden / 2, false);
    const auto backwards = run("encoder.l0.bwd", x, a_.rnn_hidden / 2, true);
    for (std::size_t t = 0; t < x.size(); ++t) x[t] = torch::cat({forwards[t], backwards[t]});
    for (std::int64_t k = 1; k < a_.encoder_layers; ++k) {
      auto out = run(fmt::format("encoder.l{}", k), x, a_.rnn_hidden, false);
      if (a_.residual && k + 1 >= a_.first_residual_layer)
        for (std::size_t t = 0; t < x.size(); ++t) out[t] = out[t] + x[t];
      x = std::move(out);
    }
    return torch::stack(x);
  }

  Tensor start(const Tensor& encoded, const std::string& name) const {
    if (a_.state_init == StateInit::kZero) return torch::zeros({a_.rnn_hidden}, torch::kDouble);
    const Tensor seen = a_.state_init == StateInit::kLast ? encoded[-1] : encoded.mean(0);
    return torch::tanh(torch::mv(at(name + ".weight"), seen) + at(name + ".bias"));
  }

  Tensor context(const Tensor& encoded, const Tensor& query) const {
    Tensor scores;
    const auto projected = [&](const std::string& name, const Tensor& x) {
      const auto found = t_.find(name);
      return found == t_.end() ? x : torch::matmul(x, found->second.t());
    };
    switch (a_.attention) {
      case Attention::kMlp:
        scores = torch::matmul(
            torch::tanh(projected("attention.source.weight", encoded) + projected("attention.query.weight", query)),
            at("attention.v.weight")[0]);
        break;
      case Attention::kDot:
        scores = torch::mv(projected("attention.source.weight", encoded), projected("attention.query.weight", query));
        break;
      case Attention::kBilinear:
        scores = torch::mv(torch::matmul(encoded, at("attention.source.weight").t()), query);
        break;
      case Attention::kFixed:
        return encoded[-1];
    }
    return torch::mv(encoded.t(), torch::softmax(scores, 0));
  }

  Tensor rnn_decoder(const Tensor& encoded, const std::vector<std::int64_t>& input) const {
    std::vector<State> states;
    for (std::int64_t k = 0; k < a_.decoder_layers; ++k)
      states.push_back({start(encoded, fmt::format("decoder.init.{}.h", k)),
                        a_.cell == Cell::kLstm ? start(encoded, fmt::format("decoder.init.{}.c", k)) : Tensor()});
    Tensor attentional = torch::zeros({a_.rnn_hidden}, torch::kDouble);
    std::vector<Tensor> features;
    for (const Tensor& word : embed("target_embed.weight", input).unbind(0)) {
      Tensor x = torch::cat({word, attentional}), c;
      const bool attends_below = a_.decoder_layers > 1 && a_.attention_in_upper_layers;
      for (std::int64_t k = 0; k < a_.decoder_layers; ++k) {
        State& state = states[at_index(k)];
        state = cell(fmt::format("decoder.l{}", k), k > 0 && attends_below ? torch::cat({x, c}) : x, state);
        x = a_.residual && k + 1 >= a_.first_residual_layer ? state.h + x : state.h;
        if (k == 0 && attends_below) c = context(encoded, x);
      }
      if (!attends_below) c = context(encoded, x);
      attentional = torch::tanh(torch::mv(at("decoder.hidden.weight"), torch::cat({x, c})) + at("decoder.hidden.bias"));
      features.push_back(attentional);
    }
    return torch::stack(features);
  }

  /// @param x  [T, H]
  Tensor block(const std::string& prefix, const Tensor& x, std::int64_t left, std::int64_t right) const {
    const Tensor padded = torch::constant_pad_nd(x.t().unsqueeze(0), {left, right});
    const Tensor y = torch::conv1d(padded, at(prefix + ".weight"), at(prefix + ".bias"));
    const auto act = [&] {
      switch (a_.activation) {
        case ConvActivation::kGlu:
          return torch::glu(y, 1);
        case ConvActivation::kRelu:
          return torch::relu(y);
        case ConvActivation::kSoftRelu:
          return torch::log1p(torch::exp(y));
        case ConvActivation::kSigmoid:
          return torch::sigmoid(y);
        case ConvActivation::kTanh:
          break;
      }
      return torch::tanh(y);
    };
    return act()[0].t();
  }

  Tensor cnn_input(const std::string& side, const std::string& table, const std::vector<std::int64_t>& ids) const {
    const Tensor e = embed(table, ids);
    return torch::matmul(e + at(side + ".pos").slice(0, 0, e.size(0)), at(side + ".in.weight").t());
  }

  Tensor cnn_encoder(const std::vector<std::int64_t>& source) const {
    Tensor h = cnn_input("encoder", "source_embed.weight", source);
    const std::int64_t half = (a_.kernel_width_encoder - 1) / 2;
    for (std::int64_t k = 0; k < a_.encoder_layers; ++k) h = h + block(fmt::format("encoder.conv{}", k), h, half, half);
    return h;
  }

  Tensor cnn_decoder(const Tensor& encoded, const std::vector<std::int64_t>& input) const {
    Tensor h = cnn_input("decoder", "target_embed.weight", input);
    for (std::int64_t k = 0; k < a_.decoder_layers; ++k) {
      const Tensor z = block(fmt::format("decoder.conv{}", k), h, a_.kernel_width_decoder - 1, 0);
      h = h + z + torch::matmul(torch::softmax(torch::matmul(z, encoded.t()), 1), encoded);
    }
    return h;
  }

  static std::size_t at_index(std::int64_t i) { return numeric::at(i); }

  Architecture a_;
  std::map<std::string, Tensor> t_;
};

struct Case {
  std::string name;
  Architecture architecture;
  std::vector<Lengths> lengths{{4, 3}, {1, 6}, {7, 1}, {3, 3}};
  int threads = 1;
  float output_scale = 1;  // of the output layer's bias
};

std::vector<std::int64_t> column(const std::vector<std::int32_t>& ids, std::int64_t rows, std::int64_t row,
                                 std::int64_t length) {
  std::vector<std::int64_t> out;
  for (std::int64_t t = 0; t < length; ++t) out.push_back(ids[at(t * rows + row)]);
  return out;
}

/// Of the batch: sum of -ln p, and the Score with its floor of 1e-10.
std::pair<Tensor, Score> reference_loss(const Reference& reference, const Batch& batch) {
  Tensor nats = torch::zeros({}, torch::kDouble);
  Score score;
  for (std::int64_t b = 0; b < batch.rows; ++b) {
    const std::int64_t labels = batch.target_length[at(b)];
    const Tensor logits = reference.logits(column(batch.source, batch.rows, b, batch.source_length[at(b)]),
                                           column(batch.input, batch.rows, b, labels));
    const Tensor wanted = torch::tensor(column(batch.labels, batch.rows, b, labels), torch::kLong);
    const Tensor losses = torch::nll_loss(torch::log_softmax(logits, 1), wanted, {}, at::Reduction::None);
    nats = nats + losses.sum();
    score.nats += losses.clamp_max(-std::log(1e-10)).sum().item<double>();
    score.labels += labels;
    score.correct += logits.argmax(1).eq(wanted).sum().item<std::int64_t>();
  }
  return {nats, score};
}

/// Largest difference, relative to the tensor's largest number.
double distance(const Tensor& theirs, std::span<const float> ours) {
  const auto t = theirs.detach().contiguous().flatten();
  const auto o =
      torch::from_blob(const_cast<float*>(ours.data()), {static_cast<std::int64_t>(ours.size())}).to(torch::kDouble);
  return ((t - o).abs().max() / t.abs().max().clamp_min(1e-4)).item<double>();
}

void expect_equal(const Score& ours, const Score& theirs) {
  EXPECT_EQ(ours.labels, theirs.labels);
  EXPECT_EQ(ours.correct, theirs.correct);
  EXPECT_NEAR(ours.nats, theirs.nats, 2e-5 * theirs.nats);
}

class Seq2SeqTorch : public ::testing::TestWithParam<Case> {};

TEST_P(Seq2SeqTorch, AutogradGivesTheSameStep) {
  const Case& row = GetParam();
  const Architecture& a = row.architecture;
  Parameters parameters = testing_batches::random_parameters(a, 21);
  for (float& x : parameters.of(parameters.tensor("output.bias"))) x *= row.output_scale;
  const Batch batch = testing_batches::random_batch(a, row.lengths, 22);
  const Reference reference(a, parameters);
  const auto [nats, score] = reference_loss(reference, batch);
  (nats / static_cast<double>(batch.label_count)).backward();

  numeric::Team team(row.threads);
  Network network(a, {}, team);
  expect_equal(network.evaluate(parameters, batch), score);
  numeric::Floats gradients(parameters.values().size(), 3.0F);  // what is not overwritten shows
  expect_equal(network.train(parameters, batch, 5, gradients), score);
  for (const seq2seq::Tensor& p : parameters.list())
    EXPECT_LT(distance(reference.gradient(p.name), std::span<const float>(gradients).subspan(at(p.offset), at(p.size))),
              1e-4)
        << p.name;
  for (const seq2seq::Tensor& p : parameters.list())
    for (std::int64_t i = p.size; i < numeric::padded(p.size); ++i)
      ASSERT_EQ(gradients[at(p.offset + i)], 0) << "padding of " << p.name;
}

Architecture small(NetworkType encoder, NetworkType decoder) {
  Architecture a;
  a.encoder = encoder, a.decoder = decoder;
  a.source_vocabulary = 11, a.target_vocabulary = 14;
  a.num_embed_source = 5, a.num_embed_target = 6;
  a.rnn_hidden = a.cnn_hidden = 8;
  a.attention_hidden = 8;
  a.max_seq_len_source = 9, a.max_seq_len_target = 8;
  return a;
}

const std::map<Cell, std::string> kCells{{Cell::kLstm, "lstm"}, {Cell::kGru, "gru"}};
const std::map<Attention, std::string> kAttentions{{Attention::kMlp, "mlp"},
                                                   {Attention::kDot, "dot"},
                                                   {Attention::kBilinear, "bilinear"},
                                                   {Attention::kFixed, "fixed"}};
const std::map<StateInit, std::string> kInits{
    {StateInit::kLast, "last"}, {StateInit::kAvg, "avg"}, {StateInit::kZero, "zero"}};
const std::map<ConvActivation, std::string> kActivations{{ConvActivation::kGlu, "glu"},
                                                         {ConvActivation::kRelu, "relu"},
                                                         {ConvActivation::kSoftRelu, "softrelu"},
                                                         {ConvActivation::kSigmoid, "sigmoid"},
                                                         {ConvActivation::kTanh, "tanh"}};

struct Stack {
  std::string name;
  std::int64_t encoder_layers, decoder_layers;
  bool upper, residual;
  std::int64_t first_residual = 2;
};
const std::vector<Stack> kStacks{{"one", 1, 1, true, false},
                                 {"two", 2, 2, false, false},
                                 {"two_upper", 1, 2, true, false},
                                 {"three_residual", 3, 3, false, true},
                                 {"three_upper", 3, 3, true, true},
                                 {"third_residual", 3, 3, true, true, 3},
                                 {"one_two_residual", 1, 2, false, true}};

void add_recurrent(std::vector<Case>& out) {
  for (const auto& [cell, cell_name] : kCells)
    for (const auto& [attention, attention_name] : kAttentions)
      for (const auto& [init, init_name] : kInits)
        for (const Stack& stack : kStacks) {
          Architecture a = small(NetworkType::kRnn, NetworkType::kRnn);
          a.cell = cell, a.attention = attention, a.state_init = init;
          a.encoder_layers = stack.encoder_layers, a.decoder_layers = stack.decoder_layers;
          a.attention_in_upper_layers = stack.upper, a.residual = stack.residual;
          a.first_residual_layer = stack.first_residual;
          out.push_back({fmt::format("{}_{}_{}_{}", cell_name, attention_name, init_name, stack.name), a});
          out.back().threads = out.size() % 5 == 0 ? 2 : 1;
        }
}

void add_convolutional(std::vector<Case>& out) {
  for (const auto& [activation, name] : kActivations)
    for (const std::int64_t layers : {1, 3}) {
      Architecture a = small(NetworkType::kCnn, NetworkType::kCnn);
      a.activation = activation, a.encoder_layers = a.decoder_layers = layers;
      a.kernel_width_decoder = layers == 1 ? 5 : 2;
      out.push_back({fmt::format("cnn_{}_{}", name, layers), a});
      out.back().threads = layers == 1 ? 2 : 1;
      a.encoder = NetworkType::kRnn;
      out.push_back({fmt::format("rnn_cnn_{}_{}", name, layers), a});
      a.encoder = NetworkType::kCnn, a.decoder = NetworkType::kRnn;
      out.push_back({fmt::format("cnn_rnn_{}_{}", name, layers), a});
    }
  for (const auto& [attention, name] : kAttentions) {
    Architecture a = small(NetworkType::kCnn, NetworkType::kRnn);
    a.attention = attention, a.cell = Cell::kGru;
    a.cnn_hidden = 10;  // d_enc differs from d and from A
    a.attention_hidden = 6;
    a.decoder_layers = 2;
    out.push_back({"cnn_gru_widths_" + name, a});
  }
}

/// Sizes that leave tails, units of one register and more, batches of one and of many, labels with p below 1e-10.
void add_shapes(std::vector<Case>& out) {
  const auto add = [&](std::string name, const Architecture& a, std::vector<Lengths> lengths, int threads,
                       float output_scale = 1) {
    out.push_back({std::move(name), a, std::move(lengths), threads, output_scale});
  };
  const std::vector<Lengths> many{{5, 5}, {2, 7}, {9, 2}, {4, 4}, {4, 4}, {1, 1},
                                  {8, 7}, {3, 6}, {6, 3}, {5, 1}, {7, 7}};
  for (const auto& [cell, name] : kCells) {
    Architecture a = small(NetworkType::kRnn, NetworkType::kRnn);
    a.cell = cell;
    add(name + "_one_pair", a, {{5, 4}}, 2);
    add(name + "_one_word", a, {{1, 1}}, 1);
    add(name + "_many_pairs", a, many, 3);
    add(name + "_improbable", a, many, 1, 80);
    a.rnn_hidden = 38, a.attention_hidden = 21, a.num_embed_source = 17, a.num_embed_target = 33;
    a.target_vocabulary = 131, a.encoder_layers = a.decoder_layers = 2;
    add(name + "_odd_widths", a, many, 2);
    a.attention = Attention::kDot;
    add(name + "_odd_widths_dot", a, many, 3);
    a.attention_hidden = a.rnn_hidden;
    add(name + "_odd_widths_dot_unprojected", a, many, 1);
    a.attention = Attention::kBilinear;
    add(name + "_odd_widths_bilinear", a, many, 2);
  }
  Architecture a = small(NetworkType::kCnn, NetworkType::kCnn);
  add("cnn_one_pair", a, {{5, 4}}, 2);
  add("cnn_many_pairs", a, many, 3);
  a.cnn_hidden = 37, a.num_embed_source = 17, a.num_embed_target = 33, a.target_vocabulary = 131;
  a.kernel_width_encoder = 11, a.kernel_width_decoder = 9;
  add("cnn_odd_widths", a, many, 2);
}

std::vector<Case> cases() {
  std::vector<Case> out;
  add_recurrent(out);
  add_convolutional(out);
  add_shapes(out);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Models, Seq2SeqTorch, ::testing::ValuesIn(cases()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace clary::seq2seq
