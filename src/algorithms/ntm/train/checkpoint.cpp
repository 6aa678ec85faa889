// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/train/checkpoint.h"

#include <algorithm>

#include "algorithms/ntm/model/mxnet.h"
#include "base/error.h"
#include "learning/numeric/index.h"

namespace clary::ntm {
namespace {

using numeric::at;

/// A matrix without its padding, whose zeros a stranger's file must not replace.
void put(shell::Checkpoint& to, const std::string& name, const Matrix& m) {
  std::vector<float> values(at(m.rows * m.columns));
  for (std::int64_t r = 0; r < m.rows; ++r) std::copy_n(m.row(r), m.columns, values.data() + r * m.columns);
  to.put(name, values);
}

void take(const shell::Checkpoint& from, const std::string& name, Matrix& m) {
  const auto values = from.array(name, at(m.rows * m.columns));
  for (std::int64_t r = 0; r < m.rows; ++r) std::copy_n(values.data() + r * m.columns, m.columns, m.row(r));
}

/// f(prefix of the arrays' names, parameters) over the four sets.
template <class C, class F>
void each_set(C& c, F&& f) {
  f("parameters/", c.parameters);
  f("best/", c.best);
  f("first/", c.optimizer.first);
  f("second/", c.optimizer.second);
}

}  // namespace

// What must be equal for a checkpoint to be continued; other hyperparameters may change.
Json checkpoint_identity(const Hyperparameters& hp) {
  const Shape s = hp.shape();
  return {{"feature_dim", s.vocabulary}, {"num_topics", s.topics},
          {"encoder_layers", s.layers},  {"encoder_layers_activation", activation_name(s.activation)},
          {"batch_norm", s.batch_norm},  {"optimizer", static_cast<int>(hp.optimizer)}};
}

shell::Checkpoint to_shell(const Checkpoint& c) {
  shell::Checkpoint out;
  out.progress = c.epoch;
  Json history = Json::array();
  for (const double loss : c.history) history.push_back(shell::json_number(loss));
  out.state = {{"history", history}, {"steps", c.optimizer.steps}};
  each_set(c, [&](const std::string& prefix, const Parameters& p) {
    Parameters::each_named(p, [&](const std::string& name, const Matrix& m) { put(out, prefix + name, m); });
  });
  return out;
}

// The reading side: the shell has checked the container, this the content.
Checkpoint from_shell(const shell::Checkpoint& c, const Shape& shape) {
  Checkpoint out;
  out.epoch = c.progress;
  shell::reading_state([&] {
    for (const Json& loss : c.state.at("history")) out.history.push_back(shell::number_of(loss));
    out.optimizer.steps = c.state.at("steps").get<std::int64_t>();
  });
  // One loss per finished epoch: early stopping is replayed from them.
  if (out.epoch < 0 || out.optimizer.steps < 0 || std::ssize(out.history) != out.epoch)
    throw Error(Kind::kMalformed, "ntm: checkpoint: meta.json: epochs, losses and steps do not fit together");
  each_set(out, [&](const std::string& prefix, Parameters& p) {
    p = Parameters(shape);
    Parameters::each_named(p, [&](const std::string& name, Matrix& m) { take(c, prefix + name, m); });
  });
  // Checkpoints are written after a flush: every row is at the last step.
  out.optimizer.row_steps.assign(at(shape.vocabulary), out.optimizer.steps);
  return out;
}

}  // namespace clary::ntm
