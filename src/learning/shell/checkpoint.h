// SPDX-License-Identifier: Apache-2.0
// A job's state at the end of an epoch, so that a job that was killed goes on where it was: one file per host in the
// job's checkpoint folder, replaced atomically after every epoch. The file is a zip archive:
//   meta.json  {"format": 2, "identity": what a job must share with the checkpoint to go on from it,
//               "progress": ..., "state": the algorithm's own counts and texts}
//   arrays     float32 arrays by name, as an MXNet NDArray list (learning/artifact/mxnet_params.h)
// Bytes that are read may come from strangers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "learning/shell/train_context.h"

namespace clary::shell {

class Checkpoint {
 public:
  /// Grows from one checkpoint of a job to the next; hosts at the same point of the job have the same.
  std::int64_t progress = 0;
  Json state = Json::object();

  void put(const std::string& name, std::span<const float> values) {
    arrays_.insert_or_assign(name, std::vector<float>(values.begin(), values.end()));
  }
  /// @param size  that the array must have. @throws Error{kMalformed} when it is missing or has another
  std::span<const float> array(const std::string& name, std::size_t size) const;
  /// The array into all of `to`.
  void take(const std::string& name, std::span<float> to) const;

  std::string to_bytes(const Json& identity) const;
  /// Nothing when identity or format is another. @throws Error{kMalformed}
  static std::optional<Checkpoint> from_bytes(std::string_view bytes, const Json& identity);

 private:
  std::map<std::string, std::vector<float>> arrays_;
};

/// Any double in a checkpoint's state: JSON itself has no infinities and no NaN.
Json json_number(double x);
/// @throws Error{kMalformed}
double number_of(const Json& x);

/// Runs f, which reads a checkpoint's state; a member that is missing or of another type becomes Error{kMalformed}.
template <class F>
auto reading_state(F&& f) {
  try {
    return f();
  } catch (const Json::exception& error) {
    throw Error(Kind::kMalformed, std::string("checkpoint: meta.json: ") + error.what());
  }
}

/// The checkpoints of one job on this host.
class Checkpoints {
 public:
  /// @param algorithm  begins the file's name
  Checkpoints(TrainContext& context, std::string_view algorithm, Json identity);

  /// The job has a CheckpointConfig.
  bool enabled() const { return !file_.empty(); }
  const std::filesystem::path& file() const { return file_; }
  void save(const Checkpoint& checkpoint) const;
  /// This host's last checkpoint, or, when hosts were killed between their writes, the first host's on all of them.
  /// Nothing when there is none or it is of another job, which the log then says. A collective call.
  /// @throws Error{kMalformed}
  std::optional<Checkpoint> load() const;

 private:
  TrainContext& context_;
  std::filesystem::path file_;
  Json identity_;
};

}  // namespace clary::shell
