// SPDX-License-Identifier: Apache-2.0
#include "platform/store/connection.h"

#include <sqlite3.h>

#include <utility>

#include "base/error.h"

namespace clary::store {

namespace {

// Only other processes (a backup, sqlite3 in a shell) can hold the lock: in this process there is one writer.
constexpr int kBusyTimeoutMs = 30'000;

// WAL: readers are not blocked by the writer and see the state of their first statement. query_only: a reader that
// tried to write fails instead of taking the lock.
// FULL: a commit is on the disk when COMMIT returns. The WAL is folded into the file every 4000 pages (16 MiB).
constexpr const char* kWriterSetup =
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA wal_autocheckpoint=4000;"
    "PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY;";
constexpr const char* kReaderSetup = "PRAGMA query_only=ON; PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY;";

Kind kind_of(int code) {
  switch (code & 0xFF) {
    case SQLITE_CONSTRAINT:
      return Kind::kConflict;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Kind::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Kind::kMalformed;
    default:
      return Kind::kInternal;
  }
}

}  // namespace

Statement::Statement(Connection& owner, std::string sql, sqlite3_stmt* handle)
    : owner_(&owner), sql_(std::move(sql)), handle_(handle) {}

Statement::Statement(Statement&& other) noexcept
    : owner_(other.owner_), sql_(std::move(other.sql_)), handle_(std::exchange(other.handle_, nullptr)) {}

// Back into the cache: compiling costs more than most queries. If the same text is in use twice at once, the second
// handle finds its place taken and is finalized.
Statement::~Statement() {
  if (handle_ == nullptr) return;
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
  try {
    // emplace() may have moved sql_ even if it did not insert; it is not used after this.
    if (owner_->idle_.emplace(std::move(sql_), handle_).second) return;
  } catch (const std::bad_alloc&) {
  }
  sqlite3_finalize(handle_);
}

bool Statement::step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  owner_->fail(code, sql_);
}

void Statement::exec() {
  while (step()) {
  }
  reset();
}

void Statement::reset() { sqlite3_reset(handle_); }

bool Statement::is_null(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }

void Statement::bind_null(int index) {
  if (const int code = sqlite3_bind_null(handle_, index); code != SQLITE_OK) owner_->fail(code, sql_);
}
void Statement::bind_integer(int index, std::int64_t value) {
  if (const int code = sqlite3_bind_int64(handle_, index, value); code != SQLITE_OK) owner_->fail(code, sql_);
}
void Statement::bind_double(int index, double value) {
  if (const int code = sqlite3_bind_double(handle_, index, value); code != SQLITE_OK) owner_->fail(code, sql_);
}
void Statement::bind_text(int index, std::string_view value) {
  const char* text = value.data() != nullptr ? value.data() : "";
  // SQLITE_TRANSIENT: SQLite copies the text, so that temporaries may be bound. A null pointer would bind NULL instead
  // of ''.
  const int code = sqlite3_bind_text64(handle_, index, text, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) owner_->fail(code, sql_);
}

std::int64_t Statement::column_integer(int index) const { return sqlite3_column_int64(handle_, index); }
double Statement::column_double(int index) const { return sqlite3_column_double(handle_, index); }
std::string_view Statement::column_text(int index) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle_, index));
  // column_text() first, then column_bytes(): the order that SQLite documents for UTF-8.
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(handle_, index))};
}

Connection::Connection(const std::filesystem::path& file, Access access) {
  // NOMUTEX: a connection is used by one thread at a time, which Database guarantees.
  const int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | (access == Access::kWrite ? SQLITE_OPEN_CREATE : 0);
  const int code = sqlite3_open_v2(file.c_str(), &handle_, flags, nullptr);
  try {
    // SQLite gives a handle even if opening fails; it holds the error text and must be closed.
    if (code != SQLITE_OK) fail(code, "open " + file.string());
    sqlite3_extended_result_codes(handle_, 1);
    sqlite3_busy_timeout(handle_, kBusyTimeoutMs);
    run_script(access == Access::kWrite ? kWriterSetup : kReaderSetup);
  } catch (...) {
    sqlite3_close(handle_);
    throw;
  }
}

Connection::~Connection() {
  for (const auto& [sql, statement] : idle_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

Statement Connection::prepare(std::string_view sql) {
  if (const auto found = idle_.find(sql); found != idle_.end()) {
    // Taken out of the cache while it is in use: two statements with one text never share a handle.
    auto node = idle_.extract(found);
    return {*this, std::move(node.key()), node.mapped()};
  }
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
  return {*this, std::string(sql), statement};
}

void Connection::run_script(std::string_view sql) {
  const int code = sqlite3_exec(handle_, std::string(sql).c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code, sql);
}

std::int64_t Connection::changes() const { return sqlite3_changes64(handle_); }
std::int64_t Connection::last_insert_id() const { return sqlite3_last_insert_rowid(handle_); }
bool Connection::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

void Connection::fail(int code, std::string_view what) const {
  const char* why = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  const std::string message =
      "database: " + std::string(why) + " (code " + std::to_string(code) + ") in: " + std::string(what.substr(0, 200));
  // A class of its own: Database gives the reserved space back and tries again.
  if ((code & 0xFF) == SQLITE_FULL) throw DiskFull(message);
  throw Error(kind_of(code), message);
}

}  // namespace clary::store
