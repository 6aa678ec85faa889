// SPDX-License-Identifier: Apache-2.0
// The SQL that differs from one database to another, here for SQLite. Every statement outside this folder is written in
// what SQLite and PostgreSQL share (ON CONFLICT, RETURNING, comparisons of rows; TEXT, BIGINT, DOUBLE PRECISION) or
// comes from here, so that another database is this file, connection.cpp and database.cpp once more.
#pragma once

#include <string>
#include <string_view>

namespace clary::store::dialect {

/// A schema step with its words in braces replaced; Database::migrate() calls it.
///   {identity}   the type of a key that the database hands out itself: ascending, never twice
///   {clustered}  behind a table: its rows lie in the order of the primary key
std::string schema(std::string_view step);

/// A condition: the text `part` occurs in `text`. Both are expressions.
std::string contains(std::string_view text, std::string_view part);

}  // namespace clary::store::dialect
