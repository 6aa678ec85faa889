// SPDX-License-Identifier: Apache-2.0
// The index beside faiss called directly: same neighbours, ties included, same files.
#include "algorithms/knn/model/index.h"

#include <faiss/IndexFlat.h>
#include <faiss/IndexIVFFlat.h>
#include <faiss/IndexIVFPQ.h>
#include <faiss/index_io.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <random>

#include "base/error.h"
#include "base/files.h"
#include "support/paths.h"

namespace clary::knn {
namespace {

constexpr std::int64_t kRows = 3000, kWidth = 16, kQueries = 50, kNearest = 10;

/// Small integers: every sum is exact in float32, and ties are frequent.
Vectors integers(std::int64_t rows, unsigned seed, int values) {
  std::mt19937 random(seed);
  Vectors out(rows, kWidth);
  for (std::int64_t i = 0; i < rows * kWidth; ++i)
    out.data()[i] = static_cast<float>(static_cast<int>(random()) % values);
  return out;
}

struct Found {
  std::vector<float> distances;
  std::vector<std::int64_t> ids;
  bool operator==(const Found&) const = default;
};

Found search(const Index& index, const Vectors& queries, std::int64_t k, std::int64_t nprobe = 5) {
  Found out;
  out.distances.resize(static_cast<std::size_t>(queries.rows() * k));
  out.ids.resize(out.distances.size());
  index.search(queries.data(), queries.rows(), k, nprobe, out.distances.data(), out.ids.data());
  return out;
}

Found search(const faiss::Index& index, const Vectors& queries, std::int64_t k) {
  Found out;
  out.distances.resize(static_cast<std::size_t>(queries.rows() * k));
  out.ids.resize(out.distances.size());
  index.search(queries.rows(), queries.data(), k, out.distances.data(), out.ids.data());
  return out;
}

TEST(Index, FlatEqualsFaissTiesIncluded) {
  numeric::Team pool(2, numeric::Team::Shared());
  for (const bool l2 : {true, false}) {
    for (const int values : {2, 5, 200}) {
      Vectors rows = integers(kRows, 1, values);
      const Vectors queries = integers(kQueries, 2, values);
      faiss::IndexFlat truth(kWidth, l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT);
      truth.add(kRows, rows.data());
      Index index({IndexType::kFlat, l2, kWidth}, pool);
      index.add(rows);
      for (const std::int64_t k : {1, 2, 10, 99}) {
        ASSERT_EQ(search(index, queries, k), search(truth, queries, k))
            << "l2 " << l2 << " values " << values << " k " << k;
      }
    }
  }
}

TEST(Index, IvfKindsEqualFaissBuiltTheSameWay) {
  numeric::Team pool(2, numeric::Team::Shared());
  Vectors rows = integers(kRows, 3, 50);
  const Vectors queries = integers(kQueries, 4, 50);
  for (const bool l2 : {true, false}) {
    const auto metric = l2 ? faiss::METRIC_L2 : faiss::METRIC_INNER_PRODUCT;
    faiss::IndexFlat cells(kWidth, metric);
    faiss::IndexIVFFlat truth(&cells, kWidth, 40, metric);
    truth.train(kRows, rows.data());
    truth.add(kRows, rows.data());
    Index index({IndexType::kIvfFlat, l2, kWidth, 40, 1, 5}, pool);
    index.train(rows);
    index.add(rows);
    for (const std::int64_t nprobe : {1, 5, 40}) {
      truth.nprobe = static_cast<std::size_t>(nprobe);
      ASSERT_EQ(search(index, queries, kNearest, nprobe), search(truth, queries, kNearest)) << nprobe;
    }
    EXPECT_EQ(search(index, queries, kNearest, 1'000'000), search(truth, queries, kNearest))
        << "more probes than cells";
  }
  faiss::IndexFlatL2 cells(kWidth);
  faiss::IndexIVFPQ truth(&cells, kWidth, 20, 4, 8);
  truth.train(kRows, rows.data());
  truth.add(kRows, rows.data());
  truth.nprobe = 3;
  Index index({IndexType::kIvfPq, true, kWidth, 20, 4, 3}, pool);
  index.train(rows);
  index.add(rows);
  EXPECT_EQ(search(index, queries, kNearest, 3), search(truth, queries, kNearest));
}

TEST(Index, ProbedCellsMayHoldTooFew) {
  numeric::Team pool(1, numeric::Team::Shared());
  Vectors rows = integers(60, 3, 50);
  Index index({IndexType::kIvfFlat, true, kWidth, 20, 1, 1}, pool);
  index.train(rows);
  index.add(rows);
  const Found found = search(index, integers(1, 5, 50), 60, 1);
  EXPECT_EQ(found.ids.back(), -1);
}

TEST(Index, NamesTooFewRows) {
  numeric::Team pool(1, numeric::Team::Shared());
  Vectors rows = integers(100, 3, 50);
  const auto problem = [&](const IndexOptions& options) -> std::string {
    try {
      Index(options, pool).train(rows);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kInvalid);
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(problem({IndexType::kIvfFlat, true, kWidth, 101, 1, 5}),
              ::testing::HasSubstr("101 cells need at least as many rows, but 100"));
  EXPECT_THAT(problem({IndexType::kIvfPq, true, kWidth, 5, 4, 5}), ::testing::HasSubstr("at least 256 rows, but 100"));
}

TEST(Index, ANumberThatIsNotFiniteIsFound) {
  numeric::Team pool(1, numeric::Team::Shared());
  const shell::FiniteCheck check("knn", "scale");
  // Under L2 faiss finds no cell for such a row and aborts; its inner product with a centroid is infinity, a largest
  // one.
  for (const auto& [options, name] :
       {std::pair{IndexOptions{IndexType::kFlat, true, kWidth}, "knn: rows[17]"},
        {IndexOptions{IndexType::kIvfFlat, false, kWidth, 1, 1, 1}, "knn: rows of a cell[17]"}}) {
    Vectors rows = integers(kRows, 3, 50);
    Index index(options, pool);
    index.train(rows);
    rows.data()[17] = INFINITY;
    index.add(rows);
    std::string problem;
    try {
      index.check_finite(check);
    } catch (const Error& error) {
      problem = error.what();
    }
    EXPECT_THAT(problem, ::testing::StartsWith(name));
  }
  Vectors rows = integers(kRows, 3, 50);
  Index codes({IndexType::kIvfPq, true, kWidth, 10, 4, 5}, pool);
  codes.train(rows);
  codes.add(rows);
  codes.check_finite(check);  // of IVFPQ only centroids and codebook are numbers
}

TEST(Index, FilesAreFaissFiles) {
  numeric::Team pool(1, numeric::Team::Shared());
  const TemporaryFolder folder;
  const auto path = folder.path() / "model_algo-1";
  const Vectors queries = integers(kQueries, 4, 50);
  for (const IndexOptions& options :
       {IndexOptions{IndexType::kFlat, true, kWidth}, IndexOptions{IndexType::kFlat, false, kWidth},
        IndexOptions{IndexType::kIvfFlat, false, kWidth, 30, 1, 4},
        IndexOptions{IndexType::kIvfPq, true, kWidth, 10, 8, 2}}) {
    Vectors rows = integers(kRows, 3, 50);
    Index index(options, pool);
    index.train(rows);
    index.add(rows);
    const Found before = search(index, queries, kNearest, options.nprobe);
    index.save(path);
    const Index loaded = Index::load(path, pool);
    EXPECT_EQ(search(loaded, queries, kNearest, options.nprobe), before);
    EXPECT_EQ(loaded.options().type, options.type);
    EXPECT_EQ(loaded.options().l2, options.l2);
    EXPECT_EQ(loaded.rows(), kRows);
    const std::unique_ptr<faiss::Index> faiss_reads(faiss::read_index(path.c_str()));
    EXPECT_EQ(search(*faiss_reads, queries, kNearest), before);
    const std::string bytes = read_file(path);
    faiss::write_index(faiss_reads.get(), path.c_str());
    EXPECT_EQ(read_file(path), bytes);
  }
}

TEST(Index, LoadsWhatPythonFaissWroteAndFindsTheSame) {
  struct Row {
    const char* name;
    std::vector<float> distances;
    std::vector<std::int64_t> ids;  // as testdata/make.py printed
  };
  numeric::Team pool(1, numeric::Team::Shared());
  for (const Row& row :
       {Row{"flat_l2", {0, 27556, 53824}, {0, 18, 13}}, Row{"flat_ip", {1843686, 1774089, 1704492}, {8, 13, 18}},
        Row{"ivfflat_l2", {0, 1156, 10000}, {0, 28, 23}}, Row{"ivfflat_ip", {1843686, 1774089, 1704492}, {8, 13, 18}},
        Row{"ivfflat_sparse", {0, 769111, 1064306}, {0, 2, 1}}, Row{"ivfpq", {0, 1156, 9999.96875F}, {0, 28, 23}}}) {
    const Index index =
        Index::load(tests::source_folder().string() + "/src/algorithms/knn/testdata/" + row.name + ".index", pool);
    const std::vector<float> query = {0, 7919 % 1009, 2 * 7919 % 1009, 3 * 7919 % 1009};
    std::vector<float> distances(3);
    std::vector<std::int64_t> ids(3);
    index.search(query.data(), 1, 3, index.options().nprobe, distances.data(), ids.data());
    EXPECT_EQ(ids, row.ids) << row.name;
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_NEAR(distances[i], row.distances[i], 1e-4 * row.distances[i] + .1) << row.name;
  }
}

TEST(Index, SearchesOrRefusesFilesWithAnyByteChanged) {
  numeric::Team pool(1, numeric::Team::Shared());
  const TemporaryFolder folder;
  const auto path = folder.path() / "model_algo-1";
  const std::vector<float> query = {1, 2, 3, 4};
  int loaded = 0, refused = 0;
  for (const char* name : {"flat_l2", "ivfflat_sparse", "ivfflat_ip", "ivfpq"}) {
    const std::string bytes =
        read_file(tests::source_folder().string() + "/src/algorithms/knn/testdata/" + name + ".index");
    for (std::size_t at = 0; at < bytes.size(); at += at < 200 || at > bytes.size() - 100 ? 1 : 29) {
      for (const char value : {'\x01', '\x7f', '\xff'}) {
        std::string changed = bytes;
        changed[at] = value;
        std::ofstream(path, std::ios::binary) << changed;
        try {
          const Index index = Index::load(path, pool);
          if (index.options().width != 4) continue;
          std::vector<float> distances(3);
          std::vector<std::int64_t> ids(3);
          index.search(query.data(), 1, 3, index.options().nprobe, distances.data(), ids.data());
          for (const std::int64_t id : ids) ASSERT_LT(id, index.rows());
          ++loaded;
        } catch (const Error& error) {
          ASSERT_EQ(error.kind(), Kind::kMalformed) << error.what();
          ++refused;
        }
      }
    }
  }
  EXPECT_GT(loaded, 100);
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace clary::knn
