// SPDX-License-Identifier: Apache-2.0
#include "platform/store/database.h"

#include <fcntl.h>

#include <string>

#include "base/error.h"
#include "base/files.h"
#include "platform/store/dialect.h"

namespace clary::store {

namespace {

constexpr int kMaxReaders = 16;
constexpr std::int64_t kReserveBytes = 4 << 20;  // as much as SQLite's log grows to before it is folded in

thread_local const Database* t_writing = nullptr;  // guards against a write inside a write, which would wait for itself

// Some errors (a full disk, an I/O error) make SQLite roll back by itself; ROLLBACK would then be an error.
void rollback_quietly(Connection& writer) {
  if (!writer.in_transaction()) return;
  try {
    writer.prepare("ROLLBACK").exec();
  } catch (const Error&) {  // SQLite has rolled back already
  }
}

}  // namespace

Database::Database(std::filesystem::path file)
    // The reserve is allocated before the first write needs it.
    : file_(std::move(file)), reserve_(file_.string() + ".reserve"), writer_(file_, Connection::Access::kWrite) {
  set_reserve_aside();
  writer_.run_script("CREATE TABLE IF NOT EXISTS schema_versions(module TEXT PRIMARY KEY, version INTEGER NOT NULL)");
}

Database::~Database() = default;

void Database::migrate(std::string_view module, std::span<const char* const> steps) {
  const auto version_in = [&](Connection& db) {
    auto query = db.prepare("SELECT version FROM schema_versions WHERE module=?");
    return query.bind(module).step() ? query.column<std::int64_t>(0) : 0;
  };
  // Nearly every start: without a write, and so without waiting for the disk.
  if (read(version_in) == static_cast<std::int64_t>(steps.size())) return;
  // The version is read again inside the transaction: another process may have migrated meanwhile.
  write([&](Connection& db) {
    const std::int64_t version = version_in(db);
    if (version > static_cast<std::int64_t>(steps.size()))
      throw Error(Kind::kConflict, file_.string() + ": " + std::string(module) + ": version " +
                                       std::to_string(version) + " is newer than this program's " +
                                       std::to_string(steps.size()));
    for (auto i = static_cast<std::size_t>(version); i < steps.size(); ++i) db.run_script(dialect::schema(steps[i]));
    db.prepare(
          "INSERT INTO schema_versions(module, version) VALUES(?, ?) "
          "ON CONFLICT (module) DO UPDATE SET version=excluded.version")
        .bind(module, steps.size())
        .exec();
  });
}

// Group commit with a leader, as in LevelDB's DBImpl::Write: a caller that finds no leader takes the whole queue, runs
// all of it in one transaction and wakes the others. The cost of an fsync is shared by everyone who came while the one
// before ran.
void Database::run_write(const std::function<void(Connection&)>& work) {
  if (t_writing == this) throw Error(Kind::kInternal, "database: write() inside write()");
  Pending mine{&work, nullptr};
  MutexLock lock(queue_mutex_);
  // The pointer is to this frame, which stays until `done`: only the leader touches it once it has left the queue.
  queue_.push_back(&mine);
  queue_moved_.wait(lock, [&]() REQUIRES(queue_mutex_) { return mine.done || !leading_; });
  if (!mine.done) {
    leading_ = true;
    const std::vector<Pending*> batch = std::exchange(queue_, {});
    // The database is written without the lock, so that others can queue up meanwhile.
    lock.unlock();
    t_writing = this;
    commit_together(batch);
    t_writing = nullptr;
    lock.lock();
    leading_ = false;
    // `done` is set under the mutex, after commit_together() has set `error`: the waiting thread sees both.
    for (Pending* pending : batch) pending->done = true;
    queue_moved_.notify_all();
  }
  lock.unlock();
  if (mine.error) std::rethrow_exception(mine.error);
}

// Only the leader runs this, one at a time. The reserve is a file of allocated blocks beside the database: deleting it
// on a full disk gives SQLite room for the writes that end jobs and delete objects.
void Database::set_reserve_aside() {
  const auto now = std::chrono::steady_clock::now();
  if (reserved_ || now < next_reserve_) return;
  next_reserve_ = now + std::chrono::seconds(10);
  std::error_code failed;
  const auto space = std::filesystem::space(file_.parent_path().empty() ? "." : file_.parent_path(), failed);
  // Only where there is plenty: the reserve itself must not fill the disk.
  if (failed || space.available < 4 * static_cast<std::uintmax_t>(kReserveBytes)) return;
  const UniqueFd fd(::open(reserve_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  reserved_ = fd && ::posix_fallocate(fd.get(), 0, kReserveBytes) == 0;
}

void Database::commit_together(std::span<Pending* const> batch) {
  // Set aside again after a success, at most every 10 seconds.
  if (try_commit(batch)) return set_reserve_aside();
  if (!reserved_) return;
  reserved_ = false;
  std::error_code ignored;
  std::filesystem::remove(reserve_, ignored);
  // The works run a second time: the first transaction was rolled back. They must therefore not rely on running once.
  for (Pending* pending : batch) pending->error = nullptr;
  try_commit(batch);
}

// True unless the disk was full. Each work has its own savepoint: one that throws undoes only its own changes, and its
// error is its caller's.
bool Database::try_commit(std::span<Pending* const> batch) {
  const auto fail_all = [&] {
    rollback_quietly(writer_);
    for (Pending* pending : batch)
      if (!pending->error) pending->error = std::current_exception();
  };
  try {
    // IMMEDIATE takes the write lock now: a deferred transaction could fail later, when it upgrades its read lock.
    writer_.prepare("BEGIN IMMEDIATE").exec();
    for (Pending* pending : batch) {
      writer_.prepare("SAVEPOINT one").exec();
      try {
        (*pending->work)(writer_);
      } catch (const DiskFull&) {
        throw;  // nothing of the batch can be kept
      } catch (...) {
        pending->error = std::current_exception();
        // A statement's error may have ended the whole transaction (SQLITE_IOERR, SQLITE_NOMEM): then nothing can be
        // kept.
        if (!writer_.in_transaction()) throw;
        writer_.prepare("ROLLBACK TO one").exec();
      }
      writer_.prepare("RELEASE one").exec();
    }
    writer_.prepare("COMMIT").exec();
  } catch (const DiskFull&) {
    fail_all();
    return false;
  } catch (...) {
    // COMMIT failed: no work of the batch has happened, and every caller gets the error.
    fail_all();
  }
  return true;
}

// At most kMaxReaders connections; further readers wait. A reader is used by one thread between constructor and
// destructor.
Database::Reader::Reader(Database& database) : database_(database) {
  MutexLock lock(database_.readers_mutex_);
  database_.reader_free_.wait(lock, [&]() REQUIRES(database_.readers_mutex_) {
    return !database_.idle_readers_.empty() || database_.open_readers_ < kMaxReaders;
  });
  if (!database_.idle_readers_.empty()) {
    connection_ = std::move(database_.idle_readers_.back());
    database_.idle_readers_.pop_back();
  } else {
    connection_ = std::make_unique<Connection>(database_.file_, Connection::Access::kRead);
    ++database_.open_readers_;
  }
  lock.unlock();
  try {
    // BEGIN (deferred): the snapshot is taken by the first SELECT.
    connection_->prepare("BEGIN").exec();
  } catch (...) {
    const MutexLock relock(database_.readers_mutex_);
    --database_.open_readers_;
    database_.reader_free_.notify_one();
    throw;
  }
}

Database::Reader::~Reader() {
  bool usable = true;
  try {
    // Ends the snapshot. An open one would keep the WAL from being folded in.
    connection_->prepare("COMMIT").exec();
  } catch (const std::exception&) {
    usable = false;
  }
  const MutexLock lock(database_.readers_mutex_);
  if (usable)
    database_.idle_readers_.push_back(std::move(connection_));
  else
    --database_.open_readers_;
  database_.reader_free_.notify_one();
}

}  // namespace clary::store
