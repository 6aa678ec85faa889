// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/train/checkpoint.h"

#include "algorithms/ntm/model/mxnet.h"
#include "base/error.h"
#include "base/json.h"
#include "learning/artifact/zip_archive.h"

namespace clary::ntm {
namespace {

Json identity(const Hyperparameters& hp) {
  const Shape s = hp.shape();
  return {{"feature_dim", s.vocabulary},
          {"num_topics", s.topics},
          {"encoder_layers", s.layers},
          {"encoder_layers_activation", activation_name(s.activation)},
          {"batch_norm", s.batch_norm},
          {"optimizer", static_cast<int>(hp.optimizer)}};
}

}  // namespace

std::filesystem::path checkpoint_file(const std::filesystem::path& dir, const std::string& host) {
  return dir / ("ntm_" + host + ".checkpoint");
}

std::string to_bytes(const Checkpoint& c, const Hyperparameters& hp) {
  const Json meta{{"format", 1},
                  {"epoch", c.epoch},
                  {"history", c.history},
                  {"steps", c.optimizer.steps},
                  {"model", identity(hp)}};
  return artifact::write_zip({{"meta.json", dump_json(meta)},
                    {"params", write_arrays(to_arrays(c.parameters))},
                    {"best", write_arrays(to_arrays(c.best))},
                    {"first", write_arrays(to_arrays(c.optimizer.first))},
                    {"second", write_arrays(to_arrays(c.optimizer.second))}});
}

std::optional<Checkpoint> from_bytes(std::string_view bytes, const Hyperparameters& hp) {
  const auto zip = artifact::read_zip(bytes);
  const auto fail = [] { throw Error(Kind::kMalformed, "ntm: checkpoint: not one of this program's"); };
  for (const char* name : {"meta.json", "params", "best", "first", "second"}) {
    if (!zip.contains(name)) fail();
  }
  const Json meta = parse_json(zip.at("meta.json"));
  if (!meta.is_object() || !meta.contains("model")) fail();
  if (meta["model"] != identity(hp)) return std::nullopt;
  Checkpoint c;
  try {
    c.epoch = meta.at("epoch").get<std::int64_t>();
    c.history = meta.at("history").get<std::vector<double>>();
    c.optimizer.steps = meta.at("steps").get<std::int64_t>();
  } catch (const Json::exception&) {
    fail();
  }
  if (c.epoch < 0 || c.optimizer.steps < 0 || static_cast<std::int64_t>(c.history.size()) != c.epoch) fail();
  const auto parameters = [&](const char* name) { return from_arrays(read_arrays(zip.at(name)), hp.shape()); };
  c.parameters = parameters("params");
  c.best = parameters("best");
  c.optimizer.first = parameters("first");
  c.optimizer.second = parameters("second");
  c.optimizer.row_steps.assign(static_cast<std::size_t>(hp.feature_dim), c.optimizer.steps);
  return c;
}

}  // namespace clary::ntm
