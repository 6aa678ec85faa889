// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "platform/store/database.h"
#include "platform/store/dialect.h"

namespace clary::store {
namespace {

constexpr const char* kSteps[] = {"CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT UNIQUE, weight REAL, note TEXT)",
                                  "ALTER TABLE t ADD COLUMN extra INTEGER NOT NULL DEFAULT 7"};

class DatabaseTest : public ::testing::Test {
 protected:
  std::int64_t count(Database& db) {
    return db.read([](Connection& c) {
      auto query = c.prepare("SELECT count(*) FROM t");
      query.step();
      return query.column<std::int64_t>(0);
    });
  }
  void insert(Connection& c, std::string_view name) { c.prepare("INSERT INTO t(name) VALUES(?)").bind(name).exec(); }

  TemporaryFolder folder_;
  std::filesystem::path file_ = folder_.path() / "a.db";
};

TEST_F(DatabaseTest, ValuesOfEveryTypeRoundTrip) {
  Database db(file_);
  db.migrate("t", kSteps);
  const std::string odd("a\0b \xC3\xA4", 6);
  db.write([&](Connection& c) {
    c.prepare("INSERT INTO t(id, name, weight, note) VALUES(?, ?, ?, ?)")
        .bind(std::int64_t{1} << 60, odd, 0.5, std::optional<std::string>())
        .exec();
    EXPECT_EQ(c.changes(), 1);
  });
  db.read([&](Connection& c) {
    auto row = c.prepare("SELECT id, name, weight, note, extra FROM t");
    ASSERT_TRUE(row.step());
    EXPECT_EQ(row.column<std::int64_t>(0), std::int64_t{1} << 60);
    EXPECT_EQ(row.column<std::string>(1), odd);
    EXPECT_EQ(row.column<double>(2), 0.5);
    EXPECT_TRUE(row.is_null(3));
    EXPECT_FALSE(row.column<std::optional<std::string>>(3));
    EXPECT_EQ(row.column<int>(4), 7);
    EXPECT_FALSE(row.step());
  });
}

TEST_F(DatabaseTest, BindsTheAlternativeThatAVariantHolds) {
  Database db(file_);
  using Value = std::variant<std::int64_t, std::string>;
  db.read([](Connection& c) {
    auto row = c.prepare("SELECT typeof(?1), typeof(?2)");
    ASSERT_TRUE(row.bind(Value(std::int64_t{7}), Value("7")).step());
    EXPECT_EQ(row.column<std::string>(0), "integer");
    EXPECT_EQ(row.column<std::string>(1), "text");
  });
}

TEST_F(DatabaseTest, SchemaStepsAreWrittenInTheWordsOfTheDialect) {
  Database db(file_);
  constexpr const char* kStep[] = {
      "CREATE TABLE a(id {identity}, name TEXT); CREATE TABLE b(x TEXT PRIMARY KEY) {clustered}"};
  db.migrate("m", kStep);
  db.write([](Connection& c) {
    c.prepare("INSERT INTO a(name) VALUES('one')").exec();
    c.prepare("DELETE FROM a").exec();
    c.prepare("INSERT INTO a(name) VALUES('two')").exec();
    EXPECT_EQ(c.last_insert_id(), 2) << "a number is never given twice";
    auto found = c.prepare("SELECT count(*) FROM a WHERE " + dialect::contains("name", "?1"));
    ASSERT_TRUE(found.bind("w").step());
    EXPECT_EQ(found.column<int>(0), 1);
    EXPECT_THROW(c.prepare("SELECT rowid FROM b"), Error);
  });
}

TEST_F(DatabaseTest, MigrationsRunOnceAndContinueWhereTheyStopped) {
  {
    Database db(file_);
    db.migrate("t", std::span(kSteps).first(1));
    db.write([&](Connection& c) { insert(c, "old"); });
  }
  Database db(file_);
  db.migrate("t", kSteps);
  db.migrate("t", kSteps);
  EXPECT_EQ(count(db), 1);
  EXPECT_THROW(db.migrate("t", std::span(kSteps).first(1)), Error) << "a newer file must be refused";
}

TEST_F(DatabaseTest, AThrowUndoesOnlyItsOwnWrite) {
  Database db(file_);
  db.migrate("t", kSteps);
  db.write([&](Connection& c) { insert(c, "a"); });
  EXPECT_THROW(db.write([&](Connection& c) {
    insert(c, "b");
    throw Error(Kind::kInvalid, "no");
  }),
               Error);
  try {
    db.write([&](Connection& c) { insert(c, "a"); });
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kConflict);
  }
  EXPECT_EQ(count(db), 1);
}

TEST_F(DatabaseTest, WritersThatCommitTogetherKeepTheirOwnFate) {
  Database db(file_);
  db.migrate("t", kSteps);
  std::atomic<int> failures = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) try {
          db.write([&](Connection& c) {
            insert(c, std::to_string(t) + "/" + std::to_string(i));
            if (i % 5 == 0) throw Error(Kind::kInvalid, "odd one out");
          });
        } catch (const Error&) {
          ++failures;
        }
    });
  threads.clear();
  EXPECT_EQ(failures, 8 * 10);
  EXPECT_EQ(count(db), 8 * 40);
}

TEST_F(DatabaseTest, AReadSeesOneMomentWhileOthersWrite) {
  Database db(file_);
  db.migrate("t", kSteps);
  db.write([&](Connection& c) { insert(c, "a"); });
  db.read([&](Connection& c) {
    const auto rows = [&] {
      auto query = c.prepare("SELECT count(*) FROM t");
      query.step();
      return query.column<int>(0);
    };
    EXPECT_EQ(rows(), 1);
    db.write([&](Connection& w) { insert(w, "b"); });
    EXPECT_EQ(rows(), 1);
  });
  EXPECT_EQ(count(db), 2);
}

TEST_F(DatabaseTest, ReadersCannotWriteAndWritesDoNotNest) {
  Database db(file_);
  db.migrate("t", kSteps);
  EXPECT_THROW(db.read([&](Connection& c) { insert(c, "a"); }), Error);
  EXPECT_THROW(db.write([&](Connection&) { db.write([&](Connection& c) { insert(c, "a"); }); }), Error);
  db.write([&](Connection& c) { insert(c, "a"); });
  EXPECT_EQ(count(db), 1);
}

TEST_F(DatabaseTest, AFileThatIsNoDatabaseIsNamedMalformed) {
  write_file_atomically(file_, std::string(8192, 'x'));
  try {
    Database db(file_);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kMalformed);
  }
}

}  // namespace
}  // namespace clary::store
