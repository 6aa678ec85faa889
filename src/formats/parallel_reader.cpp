// SPDX-License-Identifier: Apache-2.0
// Threads: the reader's caller owns source_, order_ and the statistics; tasks_ and the `done` flags are guarded by
// mutex_; a task between push and done belongs to the worker that took it.
#include "formats/parallel_reader.h"

#include <algorithm>
#include <deque>
#include <exception>
#include <limits>
#include <thread>

#include "base/mutex.h"

namespace clary::formats {
namespace {

struct Task {
  Block block;
  Batch rows;
  std::optional<RowProblem> problem;
  std::exception_ptr error;
  bool done = false;  // guarded by the reader's mutex_ (no annotation here can name it) while a worker has the task
};

/// Appends rows to a batch that may be of the other layout.
void append_any(Batch& to, Batch& from, std::int64_t first, std::int64_t count) {
  // One layout for the whole batch: as soon as one part is sparse, all is.
  if (to.rows > 0 && to.sparse != from.sparse) {
    if (!to.sparse) {
      make_sparse(to);
    } else {
      Batch part;
      append_rows(part, from, first, count);
      make_sparse(part);
      append_rows(to, part, 0, count);
      return;
    }
  }
  append_rows(to, from, first, count);
}

void clear(Batch& batch) { BatchBuilder(batch, false).finish({}); }

class ParallelReader : public RowReader {
 public:
  ParallelReader(std::unique_ptr<BlockSource> source, const MakeDecoder& make_decoder, const ReadOptions& options)
      : source_(std::move(source)),
        decoder_(make_decoder()),
        layout_(options.layout),
        as_blocks_(options.as_blocks),
        ahead_(2 * static_cast<std::size_t>(options.num_threads)) {
    // A decoder for each worker: decoders keep state between calls.
    for (int i = 0; i < options.num_threads; ++i) {
      workers_.emplace_back([this, decoder = std::shared_ptr<BlockDecoder>(make_decoder())] { work(*decoder); });
    }
  }
  ParallelReader(const ParallelReader&) = delete;
  ParallelReader& operator=(const ParallelReader&) = delete;
  ~ParallelReader() override {
    {
      // Under the lock, or a worker between its test and its wait would miss the notification.
      const MutexLock lock(mutex_);
      stopping_ = true;
    }
    work_ready_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  bool next(Batch& out, std::int64_t max_rows) override {
    clear(out);
    while (out.rows < max_rows && has_rows()) {
      take(out, max_rows);
      if (as_blocks_) break;
    }
    // Rows are made dense here, not by the workers, as blocks may come in both layouts.
    if (layout_ == Layout::kDense) make_dense(out);
    rows_read_ += out.rows;
    return out.rows > 0;
  }

  std::int64_t rows_read() const override { return rows_read_; }

 private:
  /// True when current_ has rows left, fetching the next decoded blocks as needed.
  bool has_rows() {
    while (!current_ || taken_ == current_->rows.rows) {
      retire();
      submit();
      if (order_.empty()) return false;
      current_ = std::move(order_.front());
      order_.pop_front();
      taken_ = 0;
      wait_for(*current_);
    }
    return true;
  }

  void take(Batch& out, std::int64_t max_rows) {
    const std::int64_t left = current_->rows.rows - taken_;
    const std::int64_t count = std::min(left, max_rows - out.rows);
    // A whole block goes to the caller by exchange, without a copy; the caller's memory serves the next task.
    if (out.rows == 0 && taken_ == 0 && count == left) {
      std::swap(out, current_->rows);
      clear(current_->rows);
      taken_ = 0;
      return;
    }
    append_any(out, current_->rows, taken_, count);
    taken_ += count;
  }

  /// Keeps the memory of a used-up task for the next one and counts its lines.
  void retire() {
    if (!current_) return;
    units_before_ += current_->block.units;
    spare_.push_back(std::move(current_));
  }

  void submit() {
    // At most ahead_ blocks are decoded or waiting, which bounds the memory.
    while (!ended_ && order_.size() < ahead_) {
      auto task = std::make_unique<Task>();
      if (!spare_.empty()) {
        task = std::move(spare_.back());
        spare_.pop_back();
      }
      task->done = false;
      if (!source_->next(task->block)) {
        ended_ = true;
        return;
      }
      // Decoded on this thread: later tasks may only be pushed when the width is known.
      if (shape_.width == 0 || shape_.label_width < 0) {  // the first rows fix the shape for all
        decode(*decoder_, *task, shape_);
        task->done = true;
        order_.push_back(std::move(task));
        continue;
      }
      {
        const MutexLock lock(mutex_);
        tasks_.push_back(task.get());
      }
      work_ready_.notify_one();
      order_.push_back(std::move(task));
    }
  }

  // Errors come in the order of the file, however the threads ran: the rows before have been delivered.
  void wait_for(Task& task) {
    {
      MutexLock lock(mutex_);
      task_done_.wait(lock, [&] { return task.done; });
    }
    if (task.block.file_start) units_before_ = 0;
    if (task.error) std::rethrow_exception(task.error);
    if (task.problem) throw_problem(*task.problem, *task.block.file, decoder_->unit(), units_before_);
  }

  void decode(BlockDecoder& decoder, Task& task, RowShape& shape) const {
    task.problem.reset();
    task.error = nullptr;
    // Called without the lock: until `done` is set, the task belongs to the thread that decodes it.
    BatchBuilder builder(task.rows, layout_ == Layout::kSparse);
    try {
      decoder.decode(task.block, shape, builder, std::numeric_limits<std::int64_t>::max());
    } catch (const RowProblem& problem) {
      task.problem = problem;
    } catch (...) {
      task.error = std::current_exception();
    }
    builder.finish(shape);
  }

  void work(BlockDecoder& decoder) {
    MutexLock lock(mutex_);
    while (true) {
      work_ready_.wait(lock, [this]() REQUIRES(mutex_) { return stopping_ || !tasks_.empty(); });
      if (stopping_) return;
      // In the order of submission, since the caller waits for the oldest.
      Task& task = *tasks_.front();
      tasks_.pop_front();
      lock.unlock();
      RowShape shape = shape_;  // fixed before the first task was pushed
      decode(decoder, task, shape);
      lock.lock();
      task.done = true;
      task_done_.notify_one();
    }
  }

  std::unique_ptr<BlockSource> source_;
  std::unique_ptr<BlockDecoder> decoder_;
  Layout layout_;
  bool as_blocks_;
  std::size_t ahead_;
  RowShape shape_;
  std::deque<std::unique_ptr<Task>> order_;
  std::vector<std::unique_ptr<Task>> spare_;
  std::unique_ptr<Task> current_;
  std::int64_t taken_ = 0;
  std::int64_t units_before_ = 0;
  std::int64_t rows_read_ = 0;
  bool ended_ = false;

  Mutex mutex_;
  Condition work_ready_, task_done_;
  std::deque<Task*> tasks_ GUARDED_BY(mutex_);  // owned by order_ or current_
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::vector<std::thread> workers_;
};

}  // namespace

std::unique_ptr<RowReader> make_parallel_reader(std::unique_ptr<BlockSource> source, const MakeDecoder& make_decoder,
                                                const ReadOptions& options) {
  return std::make_unique<ParallelReader>(std::move(source), make_decoder, options);
}

}  // namespace clary::formats
