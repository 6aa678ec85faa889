// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/train/checkpoint.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

namespace clary::seq2seq {
namespace {

/// FNV-1a over lengths and ids.
std::uint64_t fingerprint(const Sequences& side, std::uint64_t hash) {
  const auto add = [&hash](std::uint64_t value) { hash = (hash ^ value) * 0x100000001b3ULL; };
  for (std::int64_t i = 0; i < side.size(); ++i) {
    add(static_cast<std::uint64_t>(side.length(i)));
    for (const std::int32_t id : side[i]) add(static_cast<std::uint32_t>(id));
  }
  return hash;
}

std::string fingerprint(const Pairs& pairs) {
  constexpr std::uint64_t kStart = 0xcbf29ce484222325ULL;
  return fmt::format("{} pairs, {:016x}", pairs.size(), fingerprint(pairs.target, fingerprint(pairs.source, kStart)));
}

Json score_json(const Score& score) {
  return {{"nats", shell::json_number(score.nats)}, {"labels", score.labels}, {"correct", score.correct}};
}

Score score_of(const Json& json) {
  return {shell::number_of(json.at("nats")), json.at("labels").get<std::int64_t>(),
          json.at("correct").get<std::int64_t>()};
}

Json position_json(const Position& position) {
  return {{"epoch", position.epoch},
          {"batch", position.batch},
          {"updates", position.updates},
          {"samples", position.samples}};
}

Position position_of(const Json& json) {
  return {json.at("epoch").get<std::int64_t>(), json.at("batch").get<std::int64_t>(),
          json.at("updates").get<std::int64_t>(), json.at("samples").get<std::int64_t>()};
}

bool is_possible(const State& state, std::int64_t batches, std::int64_t steps) {
  const Position& at = state.position;
  const std::int64_t least[] = {at.epoch,           at.batch,
                                at.samples,         state.checkpoint_update,
                                state.checkpoints,  state.since_checkpoint.labels,
                                state.plateau_idle, state.selection_idle};
  for (const std::int64_t number : least)
    if (number < 0) return false;
  return at.updates == steps && at.epoch == at.updates / batches && at.batch == at.updates % batches &&
         state.checkpoint_update <= at.updates &&
         state.rate >= 0 &&  // plateau_reduce may have made it too small for a double
         state.selected.has_value() == state.best.has_value() &&
         (!state.best || (state.best->checkpoint >= 1 && state.best->checkpoint <= state.checkpoints));
}

}  // namespace

Json checkpoint_identity(const hyper::TextMap& given, const Vocabularies& words, const Pairs& train,
                         const Pairs& validation) {
  Json settings = Json::object();
  for (const auto& [name, value] : given) settings[name] = value;
  for (const char* limit :
       {"max_num_batches", "max_num_epochs", "min_num_epochs", "checkpoint_threshold", "_tuning_objective_metric"})
    settings.erase(limit);
  return {{"hyperparameters", settings},
          {"source_words", to_hex(sha256(words.source.text()))},
          {"target_words", to_hex(sha256(words.target.text()))},
          {"train", fingerprint(train)},
          {"validation", fingerprint(validation)}};
}

shell::Checkpoint to_shell(const State& state, const Parameters& now, Optimizer& optimizer) {
  shell::Checkpoint out;
  out.progress = state.position.updates;
  out.state = {{"position", position_json(state.position)},
               {"steps", optimizer.steps()},
               {"checkpoints", state.checkpoints},
               {"checkpoint_update", state.checkpoint_update},
               {"since_checkpoint", score_json(state.since_checkpoint)},
               {"rate", state.rate},
               {"plateau_idle", state.plateau_idle},
               {"selection_idle", state.selection_idle},
               {"stopped_early", state.stopped_early},
               {"history", state.history},
               {"best", Json()}};
  if (state.best)
    out.state["best"] = {{"checkpoint", state.best->checkpoint},
                         {"scores", state.best->scores},
                         {"value", shell::json_number(state.selected->value)},
                         {"perplexity", shell::json_number(state.selected->perplexity)}};
  out.put("now", now.values());
  if (state.best) out.put("best", state.best->parameters.values());
  if (!optimizer.first().empty()) out.put("first", optimizer.first());
  if (!optimizer.second().empty()) out.put("second", optimizer.second());
  return out;
}

State from_shell(const shell::Checkpoint& checkpoint, std::int64_t batches, Parameters& now, Optimizer& optimizer) {
  State out;
  std::int64_t steps = 0;
  shell::reading_state([&] {
    const Json& state = checkpoint.state;
    out.position = position_of(state.at("position"));
    steps = state.at("steps").get<std::int64_t>();
    out.checkpoints = state.at("checkpoints").get<std::int64_t>();
    out.checkpoint_update = state.at("checkpoint_update").get<std::int64_t>();
    out.since_checkpoint = score_of(state.at("since_checkpoint"));
    out.rate = state.at("rate").get<double>();
    out.plateau_idle = state.at("plateau_idle").get<std::int64_t>();
    out.selection_idle = state.at("selection_idle").get<std::int64_t>();
    out.stopped_early = state.at("stopped_early").get<bool>();
    out.history = state.at("history").get<Json::array_t>();
    const Json& best = state.at("best");
    if (best.is_null()) return;
    out.best.emplace().checkpoint = best.at("checkpoint").get<std::int64_t>();
    out.best->scores = best.at("scores").get<Json::object_t>();
    out.selected = {shell::number_of(best.at("value")), shell::number_of(best.at("perplexity"))};
  });
  if (!is_possible(out, batches, steps))
    throw Error(Kind::kMalformed,
                "seq2seq: checkpoint: meta.json: epochs, updates and checkpoints do not fit together");
  checkpoint.take("now", now.values());
  if (out.best) {
    out.best->parameters = now;  // for its shape
    checkpoint.take("best", out.best->parameters.values());
  }
  if (!optimizer.first().empty()) checkpoint.take("first", optimizer.first());
  if (!optimizer.second().empty()) checkpoint.take("second", optimizer.second());
  optimizer.restore(steps);
  return out;
}

}  // namespace clary::seq2seq
