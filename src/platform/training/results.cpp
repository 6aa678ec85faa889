// SPDX-License-Identifier: Apache-2.0
#include "platform/training/results.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "formats/archive.h"
#include "platform/agent/beneath.h"
#include "platform/objects/s3_uri.h"

namespace clary::training {

namespace fs = std::filesystem;

namespace {

std::string output_uri(const TrainingJob& job, const std::string& name) {
  std::string uri = job.request.at("OutputDataConfig").at("S3OutputPath");
  if (!uri.ends_with('/')) uri += '/';
  return uri + job.name + "/output/" + name;
}

objects::S3Uri place_of(const std::string& uri) {
  const auto place = objects::parse_s3_uri(uri);
  if (!place) throw Error(Kind::kInvalid, "\"" + uri + "\" is not an S3 address");
  return *place;
}

/// The folder `relative` of every host that has one, opened so that no link is followed: the program wrote there, and
/// this process may read what the program may not.
std::vector<UniqueFd> folders_of(const std::vector<fs::path>& instances, const std::string& relative) {
  std::vector<UniqueFd> folders;
  for (const fs::path& instance : instances)
    if (auto folder = agent::open_beneath(instance / "ml", relative, O_RDONLY | O_DIRECTORY))
      folders.push_back(std::move(*folder));
  return folders;
}

/// One folder with the files of all hosts, by hard links (no byte is copied); a later host's file wins.
void merge(const std::vector<UniqueFd>& folders, const fs::path& merged) {
  // Hard links, since packing needs one tree and copying a model of many GB would double the disk. The links' target
  // is on the same file system (both are below the job's folder).
  fs::create_directories(merged);
  for (const UniqueFd& folder : folders)
    agent::walk_beneath(folder, [&](const std::string& relative, const struct stat&) {
      const fs::path to = merged / relative;
      fs::create_directories(to.parent_path());
      // The later host's file replaces the earlier one's link; only the link goes, the earlier host's folder keeps its
      // file.
      fs::remove(to);
      if (::linkat(folder.get(), relative.c_str(), AT_FDCWD, to.c_str(), 0) != 0) throw_errno("merge " + relative);
    });
}

/// Packs the folder of all hosts straight into the store, at `uri`. The object is there after commit() and not before:
/// a crash leaves an upload that the store drops at its next start, and the merged folder, which the next try removes.
void upload_archive(const std::vector<fs::path>& instances, const std::string& relative, const std::string& uri,
                    const std::string& name, objects::ObjectStore& store) {
  const objects::S3Uri place = place_of(uri);
  const auto folders = folders_of(instances, relative);
  const fs::path merged = instances.front().parent_path() / ("upload-" + name);
  // Outside the instances' folders, so that walk_beneath() never sees it.
  fs::remove_all(merged);  // of a try that a crash ended
  if (folders.size() != 1) merge(folders, merged);
  // A single host is packed where its files are; the path goes through the descriptor, which the program cannot
  // exchange.
  objects::Upload upload = store.begin();
  formats::pack_tar_gz(folders.size() == 1 ? agent::path_of(folders[0]) : merged,
                       [&](std::span<const std::byte> bytes) { upload.write(bytes); });
  objects::PutOptions options;
  options.content_type = "application/x-tar";
  upload.commit(place.bucket, place.key, options);
  fs::remove_all(merged);
}

void upload_file(const UniqueFd& folder, const std::string& relative, const objects::S3Uri& place,
                 objects::ObjectStore& store) {
  // Opened again beneath the folder: the name may have become a link or a FIFO since walk_beneath() looked. O_NONBLOCK
  // (set by open_beneath) keeps a FIFO from blocking this thread.
  const auto file = agent::open_beneath(agent::path_of(folder), relative, O_RDONLY);
  if (!file) return;  // gone meanwhile
  objects::Upload upload = store.begin();
  std::vector<std::byte> buffer(1U << 20U);
  for (ssize_t n; (n = ::read(file->get(), buffer.data(), buffer.size())) != 0;) {
    if (n < 0) throw_errno("read " + relative);
    upload.write(std::span(buffer).first(static_cast<std::size_t>(n)));
  }
  upload.commit(place.bucket, place.key);
}

}  // namespace

std::string model_artifact_uri(const TrainingJob& job) {
  const bool plain = job.request.at("OutputDataConfig").value("CompressionType", "GZIP") == "NONE";
  return output_uri(job, plain ? "model/" : "model.tar.gz");
}

void upload_model(const TrainingJob& job, const std::vector<fs::path>& instances, objects::ObjectStore& store) {
  const std::string uri = model_artifact_uri(job);
  if (!uri.ends_with('/')) {
    upload_archive(instances, "model", uri, "model", store);
    return;
  }
  // CompressionType NONE: every file is an object of its own, one transaction each. A crash leaves some of them;
  // recovery puts all again.
  for (const UniqueFd& folder : folders_of(instances, "model"))
    agent::walk_beneath(folder, [&](const std::string& relative, const struct stat&) {
      upload_file(folder, relative, place_of(uri + relative), store);
    });
}

bool has_output(const std::vector<fs::path>& instances) {
  bool any = false;
  for (const UniqueFd& folder : folders_of(instances, "output/data"))
    agent::walk_beneath(folder, [&](const std::string&, const struct stat&) { any = true; });
  return any;
}

void upload_output(const TrainingJob& job, const std::vector<fs::path>& instances, objects::ObjectStore& store) {
  upload_archive(instances, "output/data", output_uri(job, "output.tar.gz"), "output", store);
}

CheckpointMirror::CheckpointMirror(std::string s3_uri, std::vector<fs::path> instances)
    : s3_uri_(std::move(s3_uri)), instances_(std::move(instances)), seen_(instances_.size()) {
  if (!s3_uri_.ends_with('/')) s3_uri_ += '/';
}

void CheckpointMirror::sync(objects::ObjectStore& store, bool settled) {
  if (!settled) {
    // Not settled means the end of the job (or of an attempt): a sync that is running started too early to have
    // everything, so this one waits and goes again.
    const MutexLock lock(mutex_);
    put_changes(store, false);
  } else if (mutex_.try_lock()) {
    // A sync that takes longer than the interval must not queue up behind itself and occupy all threads of the queue.
    const MutexLock lock(mutex_, std::adopt_lock);
    put_changes(store, true);
  }
}

/// What the host has now; adds what differs from the last time to `changes`.
CheckpointMirror::Names CheckpointMirror::look_at(std::size_t host, bool settled, Changes& changes) {
  const Names& before = seen_[host];
  Names now;
  // Before the files are looked at: one that changes later looks as if it came from the future, which counts as
  // unsettled too.
  timespec clock{};
  ::clock_gettime(CLOCK_REALTIME, &clock);
  const auto folder = agent::open_beneath(instances_[host] / "ml", "checkpoints", O_RDONLY | O_DIRECTORY);
  if (!folder) return now;
  agent::walk_beneath(*folder, [&](const std::string& relative, const struct stat& status) {
    const Seen file{static_cast<std::uint64_t>(status.st_size),
                    status.st_mtim.tv_sec * 1'000'000'000LL + status.st_mtim.tv_nsec};
    const auto known = before.find(relative);
    const bool same = known != before.end() && known->second == file;
    // A torn checkpoint would be uploaded otherwise; an unchanged file is never looked at twice. `known` is kept so
    // that the file is not taken for deleted.
    if (!same && settled && clock.tv_sec - status.st_mtim.tv_sec <= 1) {
      if (known != before.end()) now[relative] = known->second;  // still being written: next time
      return;
    }
    now[relative] = file;
    if (same) return;
    // The last writer wins; of two that are equally new, the later host.
    const auto [change, first] = changes.try_emplace(relative, Change{host, file});
    if (!first && change->second.file.modified_ns <= file.modified_ns) change->second = {host, file};
  });
  return now;
}

/// seen_ is replaced at the end only: after an exception in the middle the next call puts the same files again. A new
/// server process starts with an empty seen_, so it puts every name once more and removes nothing that it did not put.
void CheckpointMirror::put_changes(objects::ObjectStore& store, bool settled) {
  std::vector<Names> now;
  Changes changes;
  for (std::size_t host = 0; host < instances_.size(); ++host) now.push_back(look_at(host, settled, changes));
  for (const auto& [relative, change] : changes) {
    const auto folder = agent::open_beneath(instances_[change.host] / "ml", "checkpoints", O_RDONLY | O_DIRECTORY);
    if (folder) upload_file(*folder, relative, place_of(s3_uri_ + relative), store);
  }
  // Removed by the program: most frameworks keep the last few checkpoints only, and S3 mirrors that.
  std::set<std::string> gone;
  for (const Names& names : seen_)
    for (const auto& [relative, file] : names) gone.insert(relative);
  for (const Names& names : now)
    for (const auto& [relative, file] : names) gone.erase(relative);
  for (const std::string& relative : gone) {
    const objects::S3Uri place = place_of(s3_uri_ + relative);
    store.remove(place.bucket, place.key);
  }
  seen_ = std::move(now);
}

Json final_metrics(const std::map<std::string, metric_store::LastValue>& last_values,
                   const std::vector<agent::MetricDefinition>& definitions) {
  constexpr std::size_t kMaxMetrics = 40;  // AWS limit
  Json list = Json::array();
  for (const agent::MetricDefinition& definition : definitions) {
    const auto found = last_values.find(definition.name);
    if (found == last_values.end() || list.size() == kMaxMetrics) continue;
    const auto& [value, time] = found->second;
    list.push_back({{"MetricName", definition.name}, {"Value", value}, {"Timestamp", epoch_seconds(time)}});
  }
  return list;
}

}  // namespace clary::training
