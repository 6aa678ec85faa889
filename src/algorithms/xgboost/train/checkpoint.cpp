// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/train/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/files.h"

namespace clary::xgboost {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "xgboost-checkpoint.";
constexpr int kLastRound = std::numeric_limits<int>::max() - 1;

fs::path with_suffix(fs::path file, const char* suffix) { return file += suffix; }

// SageMaker's uploader marks files while it copies them; they must not be removed then.
bool held_by_uploader(const fs::path& file) {
  return fs::exists(with_suffix(file, ".sagemaker-uploading")) && !fs::exists(with_suffix(file, ".sagemaker-uploaded"));
}

}  // namespace

Checkpoints::Checkpoints(fs::path dir) : dir_(std::move(dir)) {
  if (!dir_.empty()) fs::create_directories(dir_);
}

std::vector<Checkpoints::Found> Checkpoints::found() const {
  std::vector<Found> out;
  if (dir_.empty()) return out;
  for (const auto& entry : fs::directory_iterator(dir_)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(kPrefix) || !entry.is_regular_file()) continue;
    const char *begin = name.data() + kPrefix.size(), *end = name.data() + name.size();
    int round = 0;
    const auto [stop, problem] = std::from_chars(begin, end, round);
    if (problem != std::errc() || stop != end || round < 0 || round > kLastRound) continue;
    out.push_back({round, entry.path()});
  }
  std::sort(out.begin(), out.end(), [](const Found& a, const Found& b) { return a.round > b.round; });
  return out;
}

// Written under a name that the uploader ignores, made durable, renamed, and the folder made durable: whatever is
// named xgboost-checkpoint.<n> is complete. The older ones are removed after that, so that one is always there.
void Checkpoints::save(int round, std::string_view model) const {
  if (dir_.empty()) return;
  const fs::path file = dir_ / (std::string(kPrefix) + std::to_string(round));
  const fs::path unfinished = with_suffix(file, ".sagemaker-ignore");
  write_file_durably(unfinished, model);
  fs::rename(unfinished, file);
  fsync_folder(dir_);
  const auto all = found();
  for (std::size_t i = kCheckpointsKept; i < all.size(); ++i)
    if (!held_by_uploader(all[i].file)) fs::remove(all[i].file);
}

}  // namespace clary::xgboost
