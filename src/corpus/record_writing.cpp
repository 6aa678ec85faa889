// SPDX-License-Identifier: Apache-2.0
// Threads: each takes the next batch of lines and encodes it; the bytes are written by the thread that made them, when
// it is the batch's turn. At most one batch a thread is in memory.
#include "corpus/record_writing.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/ids.h"
#include "corpus/threads.h"
#include "formats/sequence_record.h"
#include "formats/words.h"

namespace clary::corpus {
namespace {

constexpr std::size_t kBatchLines = 4096;
constexpr std::int64_t kUnknownId = 1;  // formats::kVocabularySymbols

/// A new file beside `path`, which takes its place at the end; batches are appended in their order.
class OrderedFile {
 public:
  explicit OrderedFile(const std::filesystem::path& path)
      : path_(path),
        temporary_(path.string() + ".tmp-" + random_hex(8)),
        fd_(open_file(temporary_, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC)) {}
  OrderedFile(const OrderedFile&) = delete;
  OrderedFile& operator=(const OrderedFile&) = delete;
  ~OrderedFile() {
    std::error_code ignored;
    if (fd_) std::filesystem::remove(temporary_, ignored);  // it was not finished
  }

  /// Waits for the batches before it. @return false when one of them failed
  bool append(std::size_t batch, std::string_view bytes, const WrittenRecords& counts) {
    std::unique_lock lock(mutex_);
    turn_.wait(lock, [&] { return failed_ || next_ == batch; });
    if (failed_) return false;
    // Under the lock: nobody else may write now anyway.
    write_all(fd_.get(), bytes, temporary_.string());
    total_.records += counts.records;
    total_.left_out += counts.left_out;
    ++next_;
    turn_.notify_all();
    return true;
  }

  /// Wakes those that wait for a batch that will not come.
  void fail() {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    turn_.notify_all();
  }

  WrittenRecords finish() {
    fd_.reset();
    std::filesystem::rename(temporary_, path_);
    return total_;
  }

 private:
  std::filesystem::path path_, temporary_;
  UniqueFd fd_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable turn_;
  std::size_t next_ = 0;
  bool failed_ = false;
  WrittenRecords total_;
};

/// One side of the text, and the ids of its words.
struct Side {
  std::string_view text;
  std::vector<std::size_t> starts;
  const WordTable* ids;

  std::size_t lines() const { return starts.size() - 1; }
  void encode(std::size_t line, std::vector<std::int32_t>& out) const {
    out.clear();
    formats::for_each_word(text.substr(starts[line], starts[line + 1] - starts[line]), [&](std::string_view word) {
      out.push_back(static_cast<std::int32_t>(ids->find(word, kUnknownId)));
    });
  }
};

void encode_batch(const Side& source, const Side& target, std::size_t first, std::size_t last, std::string& out,
                  WrittenRecords& counts) {
  std::vector<std::int32_t> source_ids, target_ids;
  for (std::size_t line = first; line < last; ++line) {
    source.encode(line, source_ids);
    target.encode(line, target_ids);
    if (source_ids.empty() || target_ids.empty()) {
      ++counts.left_out;
      continue;
    }
    formats::append_sequence_record(out, source_ids, target_ids);
    ++counts.records;
  }
}

}  // namespace

WrittenRecords write_records(const TextFile& source_file, const TextFile& target_file, const WordTable& source_ids,
                             const WordTable& target_ids, const std::filesystem::path& path, int threads,
                             const std::function<void(double)>& progress) {
  Side sides[2] = {{source_file.text(), {}, &source_ids}, {target_file.text(), {}, &target_ids}};
  for_each_unit(2, std::min(threads, 2),
                [&](std::size_t side, int) { sides[side].starts = line_starts(sides[side].text); });
  const Side &source = sides[0], &target = sides[1];
  if (source.lines() != target.lines())
    throw Error(Kind::kInvalid,
                fmt::format("{} has {} lines and {} has {}; line by line they must belong together",
                            source_file.path().string(), source.lines(), target_file.path().string(), target.lines()));
  OrderedFile file(path);
  const std::size_t batches = (source.lines() + kBatchLines - 1) / kBatchLines;
  std::mutex mutex;  // guards progress
  for_each_unit(batches, threads, [&](std::size_t batch, int) {
    try {
      std::string bytes;
      WrittenRecords counts;
      encode_batch(source, target, batch * kBatchLines, std::min((batch + 1) * kBatchLines, source.lines()), bytes,
                   counts);
      if (!file.append(batch, bytes, counts)) return;
      const std::lock_guard lock(mutex);
      progress(static_cast<double>(batch + 1) / static_cast<double>(batches));
    } catch (...) {
      file.fail();
      throw;
    }
  });
  return file.finish();
}

}  // namespace clary::corpus
