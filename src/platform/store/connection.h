// SPDX-License-Identifier: Apache-2.0
// One SQLite connection with a statement cache, and the typed statements it hands out. A connection belongs to one
// thread at a time; Database decides whose turn it is. SQLite's failures become Error: kLimit (disk full), kConflict
// (constraint), kUnavailable (busy), kMalformed (damaged file), otherwise kInternal.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace clary::store {

class Connection;

/// The disk is full: nothing of the transaction stays.
class DiskFull : public Error {
 public:
  explicit DiskFull(const std::string& message) : Error(Kind::kLimit, message) {}
};

/// A compiled statement on loan from its connection's cache; going out of scope resets it and gives it back.
class Statement {
 public:
  Statement(Connection& owner, std::string sql, sqlite3_stmt* handle);
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  /// Binds parameters ?1, ?2, ... in order (text is copied).
  template <class... T>
  Statement& bind(const T&... values) {
    int index = 0;
    (bind_one(++index, values), ...);
    return *this;
  }

  /// @return true while there is a row to look at
  bool step();

  /// Runs to the end, then resets so that it can be bound and run again.
  void exec();

  void reset();

  bool is_null(int column) const;

  template <class T>
  T column(int index) const {
    if constexpr (is_optional<T>::value)
      return is_null(index) ? T() : T(column<typename T::value_type>(index));
    else if constexpr (std::floating_point<T>)
      return static_cast<T>(column_double(index));
    else if constexpr (std::same_as<T, bool>)
      return column_integer(index) != 0;
    else if constexpr (std::integral<T>)
      return static_cast<T>(column_integer(index));
    else
      return T(column_text(index));
  }

 private:
  template <class T>
  struct is_optional : std::false_type {};
  template <class T>
  struct is_optional<std::optional<T>> : std::true_type {};
  template <class T>
  struct is_variant : std::false_type {};
  template <class... T>
  struct is_variant<std::variant<T...>> : std::true_type {};

  template <class T>
  void bind_one(int index, const T& value) {
    if constexpr (std::same_as<T, std::nullptr_t>) {
      bind_null(index);
    } else if constexpr (is_optional<T>::value) {
      if (value)
        bind_one(index, *value);
      else
        bind_null(index);
    } else if constexpr (is_variant<T>::value) {
      std::visit([&](const auto& alternative) { bind_one(index, alternative); }, value);
    } else if constexpr (std::floating_point<T>) {
      bind_double(index, static_cast<double>(value));
    } else if constexpr (std::integral<T>) {
      bind_integer(index, static_cast<std::int64_t>(value));
    } else {
      bind_text(index, std::string_view(value));
    }
  }

  void bind_null(int index);
  void bind_integer(int index, std::int64_t value);
  void bind_double(int index, double value);
  void bind_text(int index, std::string_view value);
  std::int64_t column_integer(int index) const;
  double column_double(int index) const;
  std::string_view column_text(int index) const;  // valid until the next step

  Connection* owner_;
  std::string sql_;
  sqlite3_stmt* handle_;
};

class Connection {
 public:
  enum class Access { kWrite, kRead };

  Connection(const std::filesystem::path& file, Access access);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// The statement from the cache, or freshly compiled. `sql` should be a literal: the cache is never emptied.
  Statement prepare(std::string_view sql);

  /// Several statements without parameters or results.
  void run_script(std::string_view sql);

  /// Rows that the last INSERT, UPDATE or DELETE touched.
  std::int64_t changes() const;
  std::int64_t last_insert_id() const;
  bool in_transaction() const;

 private:
  friend class Statement;
  [[noreturn]] void fail(int code, std::string_view what) const;

  sqlite3* handle_ = nullptr;
  std::map<std::string, sqlite3_stmt*, std::less<>> idle_;
};

}  // namespace clary::store
