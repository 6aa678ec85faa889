// SPDX-License-Identifier: Apache-2.0
// The server's metadata: one SQLite file in WAL mode, one writer, a pool of readers, safe to use from any thread.
// A write is one transaction that is on the disk when write() returns. Writers that wait at the same time share one
// commit and therefore one fsync: each runs inside its own savepoint, so one that throws undoes only itself. A write's
// function may run on another caller's thread; it must not call write() again, and must not wait for other threads.
#pragma once

#include <chrono>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "platform/store/connection.h"

namespace clary::store {

class Database {
 public:
  /// Opens or creates the file. @throws Error naming it
  explicit Database(std::filesystem::path file);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  /// Brings a module's tables up to date: step i takes it from version i to i + 1 and runs once in the file's life.
  /// Steps are SQL with the words of dialect.h, and only ever appended; all that are missing run in one transaction.
  /// @throws Error{kConflict} when the file is newer than this program
  void migrate(std::string_view module, std::span<const char* const> steps);

  /// Calls f(Connection&) inside one read transaction: everything it reads is of one moment.
  template <class F>
  auto read(F f) -> std::invoke_result_t<F&, Connection&> {
    Reader reader(*this);
    return f(reader.connection());
  }

  /// Calls f(Connection&) inside a transaction and commits it durably; a throw from f undoes its changes.
  template <class F>
  auto write(F f) -> std::invoke_result_t<F&, Connection&> {
    using Result = std::invoke_result_t<F&, Connection&>;
    if constexpr (std::is_void_v<Result>) {
      run_write([&f](Connection& connection) { f(connection); });
    } else {
      std::optional<Result> result;
      run_write([&](Connection& connection) { result.emplace(f(connection)); });
      return std::move(*result);
    }
  }

 private:
  /// A write that waits for its leader; on its caller's stack. Once it has left queue_, only the leader touches it
  /// until `done`.
  struct Pending {
    const std::function<void(Connection&)>* work;
    std::exception_ptr error;
    bool done = false;  // guarded by queue_mutex_
  };

  /// A pooled connection inside BEGIN ... COMMIT.
  class Reader {
   public:
    explicit Reader(Database& database);
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader();
    Connection& connection() { return *connection_; }

   private:
    Database& database_;
    std::unique_ptr<Connection> connection_;
  };

  void run_write(const std::function<void(Connection&)>& work);
  void commit_together(std::span<Pending* const> batch);
  /// @return false when the disk was full
  bool try_commit(std::span<Pending* const> batch);
  void set_reserve_aside();

  const std::filesystem::path file_;
  // Room set aside on the disk and given up when it is full, so that what must be recorded then (a job that failed for
  // want of space, a deletion) still can be. Of the leader alone.
  const std::filesystem::path reserve_;
  bool reserved_ = false;
  std::chrono::steady_clock::time_point next_reserve_;
  Connection writer_;

  Mutex queue_mutex_;
  Condition queue_moved_;
  std::vector<Pending*> queue_ GUARDED_BY(queue_mutex_);  // waits for the present leader to finish
  bool leading_ GUARDED_BY(queue_mutex_) = false;         // a thread is the leader and uses writer_

  Mutex readers_mutex_;
  Condition reader_free_;
  std::vector<std::unique_ptr<Connection>> idle_readers_ GUARDED_BY(readers_mutex_);
  int open_readers_ GUARDED_BY(readers_mutex_) = 0;
};

}  // namespace clary::store
