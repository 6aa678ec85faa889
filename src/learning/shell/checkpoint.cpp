// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/files.h"
#include "learning/artifact/mxnet_params.h"
#include "learning/artifact/zip_archive.h"

namespace clary::shell {
namespace {

constexpr int kFormat = 2;
constexpr std::uint64_t kMaxCheckpointBytes = 64ULL << 30;
constexpr const char* kMeta = "meta.json";
constexpr const char* kArrays = "arrays";

[[noreturn]] void malformed(const std::string& rule) { throw Error(Kind::kMalformed, "checkpoint: " + rule); }

}  // namespace

std::span<const float> Checkpoint::array(const std::string& name, std::size_t size) const {
  const auto found = arrays_.find(name);
  if (found == arrays_.end()) malformed(fmt::format("array {} is missing", name));
  // Sizes follow from the hyperparameters: a difference means another shape of model.
  if (found->second.size() != size)
    malformed(fmt::format("array {} has {} numbers, {} are expected", name, found->second.size(), size));
  return found->second;
}

void Checkpoint::take(const std::string& name, std::span<float> to) const {
  const auto values = array(name, to.size());
  std::copy(values.begin(), values.end(), to.begin());
}

// A zip of meta.json and the arrays (docs/formats-on-disk): readable by common tools. Progress and identity are in the
// small member.
std::string Checkpoint::to_bytes(const Json& identity) const {
  const Json meta{{"format", kFormat}, {"identity", identity}, {"progress", progress}, {"state", state}};
  std::vector<artifact::NamedArray> list;
  for (const auto& [name, values] : arrays_) list.push_back({name, {std::ssize(values)}, values});
  return artifact::write_zip({{kMeta, dump_json(meta)}, {kArrays, artifact::write_arrays(list)}});
}

// Nothing for a checkpoint of another job (other data, other hyperparameters) or another format: training then starts
// anew, and the file is replaced.
std::optional<Checkpoint> Checkpoint::from_bytes(std::string_view bytes, const Json& identity) {
  const auto zip = artifact::read_zip(bytes);
  if (!zip.contains(kMeta)) malformed("member meta.json is missing");
  const Json meta = parse_json(zip.at(kMeta));
  if (!meta.is_object()) malformed("meta.json is not an object");
  if (meta.value("format", Json()) != kFormat || meta.value("identity", Json()) != identity) return std::nullopt;
  if (!zip.contains(kArrays)) malformed("member arrays is missing");
  // What does not parse is an error of the file, and not silently ignored: the user would lose the progress.
  Checkpoint out;
  reading_state([&] {
    out.progress = meta.at("progress").get<std::int64_t>();
    out.state = meta.at("state").get<Json::object_t>();
  });
  for (artifact::NamedArray& one : artifact::read_arrays(zip.at(kArrays)))
    out.arrays_.insert_or_assign(std::move(one.name), std::move(one.values));
  return out;
}

// JSON has no infinity: losses before the first epoch are written as text.
Json json_number(double x) { return std::isfinite(x) ? Json(x) : Json(fmt::format("{}", x)); }

double number_of(const Json& x) {
  if (x.is_number()) return x.get<double>();
  if (x == "nan" || x == "-nan") return std::nan("");
  if (x == "inf") return INFINITY;
  if (x == "-inf") return -INFINITY;
  malformed("meta.json: a number is expected, found " + dump_json(x));
}

Checkpoints::Checkpoints(TrainContext& context, std::string_view algorithm, Json identity)
    : context_(context), identity_(std::move(identity)) {
  if (const auto dir = context.checkpoint_dir(); !dir.empty())
    // One file per host, as the hosts of a job may share a folder.
    file_ = dir / fmt::format("{}_{}.checkpoint", algorithm, context.hosts().current);
}

// Durable and atomic: after a crash there is the old checkpoint or the new one, never a part of one.
void Checkpoints::save(const Checkpoint& checkpoint) const {
  std::filesystem::create_directories(file_.parent_path());
  write_file_durably(file_, checkpoint.to_bytes(identity_));
}

std::optional<Checkpoint> Checkpoints::load() const {
  if (!enabled()) return std::nullopt;
  std::string bytes;
  // A missing file is the normal start of a job.
  if (std::filesystem::exists(file_)) bytes = read_file(file_, kMaxCheckpointBytes);
  const auto parsed = [&] { return bytes.empty() ? std::nullopt : Checkpoint::from_bytes(bytes, identity_); };
  auto out = parsed();
  // Hosts may have crashed at different epochs: they compare progress (maximum and, negated, minimum in one
  // reduction), and if it differs all take host 1's, which then every host has.
  if (context_.hosts().size() > 1) {
    // -1: no checkpoint, which is below any progress.
    const double mine = out ? static_cast<double>(out->progress) : -1;
    double ends[] = {mine, -mine};
    context_.collective().all_reduce_max(std::span<double>(ends));
    if (ends[0] != -ends[1]) {
      // Every host's parameters must be equal at the start; host 1's checkpoint holds all of them.
      bytes = context_.collective().broadcast_text(bytes, 0);
      out = parsed();
    }
  }
  // Said once for each host that had one.
  if (!out && !bytes.empty())
    context_.log().warn("The checkpoint is of a job with other data or hyperparameters: training starts anew.");
  return out;
}

}  // namespace clary::shell
