// SPDX-License-Identifier: Apache-2.0
// Hyperparameters, random numbers, projection, sampling, voting, scores, metadata, memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numeric>
#include <random>

#include "algorithms/knn/data/dataset.h"
#include "algorithms/knn/data/philox.h"
#include "algorithms/knn/data/sample.h"
#include "algorithms/knn/evaluate/score.h"
#include "algorithms/knn/hyperparameters.h"
#include "algorithms/knn/model/metadata.h"
#include "algorithms/knn/model/preparation.h"
#include "algorithms/knn/model/projection.h"
#include "algorithms/knn/serve/vote.h"
#include "algorithms/knn/train/memory.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::knn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class F>
std::string problem(F f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

hyper::TextMap given(std::initializer_list<std::pair<const std::string, std::string>> more) {
  hyper::TextMap out = {
      {"feature_dim", "54"}, {"k", "10"}, {"predictor_type", "classifier"}, {"sample_size", "200000"}};
  for (const auto& [name, value] : more) out[name] = value;
  return out;
}

TEST(KnnHyperparameters, DefaultsAreThoseOfTheSpec) {
  const auto hp = schema().parse(given({}));
  EXPECT_EQ(hp.index_type, IndexType::kFlat);
  EXPECT_EQ(hp.index_metric, Metric::kL2);
  EXPECT_EQ(hp.reduction_type, Reduction::kNone);
  EXPECT_EQ(hp.mini_batch_size, 5000);
  EXPECT_EQ(hp.probes(), 5);
  EXPECT_EQ(hp.ivf_nlists, Hyperparameters::kAuto);
}

TEST(KnnHyperparameters, TakesEverySpellingThatClientsSend) {
  const auto hp = schema().parse(given({{"predictor_type", "regression"},
                                        {"sample_size", "all"},
                                        {"feature_dim", "auto"},
                                        {"_kvstore", "dist_async"},
                                        {"_log_level", "info"},
                                        {"_num_gpus", "auto"},
                                        {"_num_kv_servers", "1"},
                                        {"_enable_profiler", "false"},
                                        {"epochs", "1"},
                                        {"_tuning_objective_metric", "test:accuracy"},
                                        {"_faiss_index_nprobe", "7"}}));
  EXPECT_EQ(hp.predictor_type, Task::kRegressor);
  EXPECT_EQ(hp.sample_size, Hyperparameters::kAll);
  EXPECT_EQ(hp.probes(), 7);
  EXPECT_EQ(schema().parse(given({{"nprobe", "9"}})).probes(), 9);
}

TEST(KnnHyperparameters, NamesEveryProblem) {
  struct Row {
    const char *name, *value, *says;
  };
  for (const Row& row :
       {Row{"k", "0", "k"}, Row{"k", "x", "'x'"}, Row{"predictor_type", "tree", "predictor_type"},
        Row{"sample_size", "0", "sample_size"}, Row{"index_type", "faiss.HNSW", "index_type"},
        Row{"index_metric", "L1", "index_metric"}, Row{"faiss_index_pq_m", "5", "faiss_index_pq_m"},
        Row{"faiss_index_ivf_nlists", "0", "faiss_index_ivf_nlists"}, Row{"kk", "1", "'kk' was unexpected"},
        Row{"dimension_reduction_type", "sign", "\"dimension_reduction_target\" is required when"},
        Row{"epochs", "2", "epochs"}, Row{"nprobe", "0", "nprobe"}}) {
    const auto text = problem([&] { schema().parse(given({{row.name, row.value}})); });
    EXPECT_THAT(text, HasSubstr(row.says)) << row.name;
  }
  const auto both = problem([] { schema().parse({{"kk", "1"}, {"feature_dim", "0"}}); });
  for (const char* part : {"'kk' was unexpected", "feature_dim", "'k'", "'sample_size'", "'predictor_type'"}) {
    EXPECT_THAT(both, HasSubstr(part));
  }
}

TEST(KnnHyperparameters, ChecksRulesAcrossFields) {
  EXPECT_THAT(problem([] {
                schema().parse(given({{"dimension_reduction_type", "fjlt"}, {"dimension_reduction_target", "54"}}));
              }),
              HasSubstr("dimension_reduction_target must be below feature_dim"));
  for (const char* metric : {"COSINE", "INNER_PRODUCT"}) {
    const auto text = problem([&] {
      schema().parse(given({{"index_type", "faiss.IVFPQ"}, {"index_metric", metric}}));
    });
    EXPECT_THAT(text, HasSubstr("index_type"));
    EXPECT_THAT(text, HasSubstr("index_metric"));
    EXPECT_NO_THROW(schema().parse(given({{"index_type", "faiss.IVFFlat"}, {"index_metric", metric}})));
  }
  EXPECT_THAT(problem([] {
                schema().parse(given({{"nprobe", "3"}, {"_faiss_index_nprobe", "4"}}));
              }),
              HasSubstr("nprobe"));
}

TEST(KnnHyperparameters, AutomaticValues) {
  EXPECT_EQ(automatic_nlists(1297), 36);
  EXPECT_EQ(automatic_nlists(1), 1);
  EXPECT_EQ(automatic_nlists(999'999), 999);
  EXPECT_EQ(automatic_pq_m(54), 8);
  EXPECT_EQ(automatic_pq_m(5), 4);
  EXPECT_EQ(automatic_pq_m(1), 1);
}

TEST(Philox, GivesThePublishedKnownAnswers) {
  // Random123's kat_vectors, philox4x32 with 10 rounds.
  EXPECT_THAT(philox(0, 0, 0), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  EXPECT_THAT(philox(~0ULL, ~0ULL, ~0ULL), ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  EXPECT_THAT(philox(0x299f31d0a4093822, 0x0370734413198a2e, 0x85a308d3243f6a88),
              ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST(Philox, DrawsUniformlyBelowABound) {
  PhiloxStream random(5, 6);
  std::vector<int> counts(10);
  for (int i = 0; i < 100'000; ++i) ++counts[random.below(10)];
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 400);
}

std::vector<float> noise(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(count);
  for (float& value : out) value = normal(random);
  return out;
}

TEST(Projection, IsTheDocumentedMatrix) {
  constexpr std::int64_t kIn = 13, kOut = 70;  // one whole tile and a rest
  WorkerPool pool(1);
  const Projection sign(Reduction::kSign, 3, kIn, kOut);
  const auto x = noise(kIn, 1);
  std::vector<float> y(kOut);
  sign.apply(x.data(), 1, y.data(), pool);
  for (std::int64_t c = 0; c < kOut; ++c) {
    double expected = 0;
    for (std::int64_t j = 0; j < kIn; ++j) {
      const auto i = static_cast<std::uint64_t>(j * kOut + c);
      const bool plus = philox(3, 1, i / 128)[i % 128 / 32] >> (i % 32) & 1;
      expected += (plus ? 1 : -1) * static_cast<double>(x[static_cast<std::size_t>(j)]);
    }
    EXPECT_NEAR(y[static_cast<std::size_t>(c)], expected / std::sqrt(kOut), 1e-5);
  }
}

TEST(Projection, FjltIsTheDocumentedProduct) {
  constexpr std::int64_t kIn = 11, kOut = 5;
  constexpr std::uint64_t kPadded = 16;
  WorkerPool pool(1);
  const Projection fjlt(Reduction::kFjlt, 9, kIn, kOut);
  const auto x = noise(kIn, 1);
  std::vector<float> y(kOut);
  fjlt.apply(x.data(), 1, y.data(), pool);
  std::vector<std::uint64_t> rows(kPadded);
  std::iota(rows.begin(), rows.end(), 0);
  PhiloxStream random(9, 3);
  for (std::uint64_t c = 0; c < kOut; ++c) {
    std::swap(rows[c], rows[c + random.below(kPadded - c)]);
    double expected = 0;
    for (std::uint64_t j = 0; j < kIn; ++j) {
      const double sign = philox(9, 2, 0)[j / 32] >> (j % 32) & 1 ? 1 : -1;
      expected += (std::popcount(rows[c] & j) % 2 == 0 ? 1 : -1) * sign * static_cast<double>(x[j]);
    }
    EXPECT_NEAR(y[c], expected / std::sqrt(kOut), 1e-5);
  }
}

TEST(Projection, KeepsDistancesAndProductsOnAverage) {
  constexpr std::int64_t kIn = 200, kOut = 64;
  WorkerPool pool(2);
  const auto pair = noise(2 * kIn, 4);
  double wanted = 0, product = 0, terms = 0;
  for (std::size_t j = 0; j < kIn; ++j) {
    wanted += std::pow(static_cast<double>(pair[j]) - pair[kIn + j], 2);
    product += static_cast<double>(pair[j]) * pair[kIn + j];
    terms += std::abs(static_cast<double>(pair[j]) * pair[kIn + j]);
  }
  for (const auto type : {Reduction::kSign, Reduction::kFjlt}) {
    double l2 = 0, inner = 0;
    constexpr int kSeeds = 300;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      std::vector<float> y(2 * kOut);
      Projection(type, seed, kIn, kOut).apply(pair.data(), 2, y.data(), pool);
      for (std::size_t c = 0; c < kOut; ++c) {
        l2 += std::pow(static_cast<double>(y[c]) - y[kOut + c], 2) / kSeeds;
        inner += static_cast<double>(y[c]) * y[kOut + c] / kSeeds;
      }
    }
    EXPECT_NEAR(l2 / wanted, 1, .03);
    EXPECT_NEAR(inner, product, .05 * terms);
  }
}

TEST(Projection, RefusesImpossibleSizes) {
  EXPECT_THAT(problem([] { Projection(Reduction::kFjlt, 1, 10, 17); }), HasSubstr("exceeds 16"));
  EXPECT_THAT(problem([] { Projection(Reduction::kSign, 1, 1 << 20, 1 << 20); }), HasSubstr("use fjlt"));
  EXPECT_THAT(problem([] { Projection(Reduction::kSign, 1, 0, 1); }), HasSubstr("outside"));
}

TEST(Preparation, PadsAndNormalises) {
  WorkerPool pool(1);
  Vectors rows(2);
  const std::vector<float> values = {3, 4, 0, 0};
  rows.append(values);
  const Vectors out = Preparation(std::nullopt, 3, true).apply(std::move(rows), pool);
  EXPECT_EQ(std::vector<float>(out.data(), out.data() + 6), (std::vector<float>{.6F, .8F, 0, 0, 0, 0}));
  EXPECT_EQ(next_multiple(10, 4), 12);
  EXPECT_EQ(next_multiple(12, 4), 12);
}

formats::Batch numbered(std::int64_t first, std::int64_t rows) {
  formats::Batch out;
  out.width = 2;
  out.rows = rows;
  out.label_width = 1;
  for (std::int64_t r = first; r < first + rows; ++r) {
    out.values.insert(out.values.end(), {static_cast<float>(r), static_cast<float>(-r)});
    out.labels.push_back(static_cast<float>(r % 7));
  }
  return out;
}

TEST(Reservoir, KeepsInputOrderWhileThereIsRoom) {
  for (const std::int64_t capacity : {std::int64_t{20}, std::int64_t{500}, Reservoir::kUnlimited}) {
    Reservoir reservoir(capacity, 1, 0);
    reservoir.add(numbered(0, 13));
    reservoir.add(numbered(13, 7));
    const Sample& sample = reservoir.sample();
    ASSERT_EQ(sample.rows(), 20);
    for (std::int64_t r = 0; r < 20; ++r) {
      EXPECT_EQ(sample.vectors.row(r)[0], static_cast<float>(r));
      EXPECT_EQ(sample.positions[static_cast<std::size_t>(r)], r);
    }
  }
}

TEST(Reservoir, GivesEveryRowTheSameChance) {
  constexpr std::int64_t kRows = 50, kCapacity = 10;
  std::vector<int> counts(kRows);
  constexpr int kSeeds = 4000;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Reservoir reservoir(kCapacity, seed, 0);
    for (std::int64_t first = 0; first < kRows; first += 5) reservoir.add(numbered(first, 5));
    ASSERT_EQ(reservoir.sample().rows(), kCapacity);
    for (std::int64_t i = 0; i < kCapacity; ++i) {
      const auto position = reservoir.sample().positions[static_cast<std::size_t>(i)];
      ++counts[static_cast<std::size_t>(position)];
      ASSERT_EQ(reservoir.sample().vectors.row(i)[1], static_cast<float>(-position));
      ASSERT_EQ(reservoir.sample().labels[static_cast<std::size_t>(i)], static_cast<float>(position % 7));
    }
  }
  for (const int count : counts) EXPECT_NEAR(count, kSeeds * kCapacity / kRows, 150);  // 5 sigma is 127
}

TEST(Reservoir, SameSeedSameSample) {
  const auto draw = [](std::uint64_t seed, int rank) {
    Reservoir reservoir(5, seed, rank);
    reservoir.add(numbered(0, 100));
    return reservoir.sample().positions;
  };
  EXPECT_EQ(draw(1, 0), draw(1, 0));
  EXPECT_NE(draw(1, 0), draw(2, 0));
  EXPECT_NE(draw(1, 0), draw(1, 1));
}

TEST(Sample, SharesAddUpToTheWhole) {
  EXPECT_EQ(share_of_sample(100, 2, 0), 50);
  EXPECT_EQ(share_of_sample(101, 3, 0) + share_of_sample(101, 3, 1) + share_of_sample(101, 3, 2), 101);
  EXPECT_EQ(share_of_sample(0, 2, 1), Reservoir::kUnlimited);
}

TEST(Sample, SurvivesTheWireAndJoinsInRankOrder) {
  Reservoir first(Reservoir::kUnlimited, 1, 0), second(Reservoir::kUnlimited, 1, 1);
  first.add(numbered(0, 3));
  auto named = numbered(3, 2);
  named.uids = {"a\nb", ""};
  second.add(named);
  Sample all;
  for (const Sample* one : {&first.sample(), &second.sample()}) append(all, sample_from_bytes(to_bytes(*one)));
  EXPECT_EQ(all.rows(), 5);
  EXPECT_EQ(all.seen, 5);
  EXPECT_THAT(all.positions, ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(all.uids, ElementsAre("", "", "", "a\nb", ""));
  EXPECT_EQ(all.vectors.row(4)[0], 4);
}

TEST(Sample, RefusesBytesCutAnywhere) {
  Reservoir reservoir(10, 1, 0);
  auto batch = numbered(0, 3);
  batch.uids = {"x", "yy", "zzz"};
  reservoir.add(batch);
  const std::string bytes = to_bytes(reservoir.sample());
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_THROW(sample_from_bytes(bytes.substr(0, cut)), Error) << cut;
  }
}

TEST(Vote, TiesGoToTheSmallestLabel) {
  EXPECT_EQ(majority(std::vector<float>{3, 1, 3, 1, 2}), 1);
  EXPECT_EQ(majority(std::vector<float>{5}), 5);
  EXPECT_EQ(majority(std::vector<float>{2, -1, 2}), 2);
  EXPECT_TRUE(std::isnan(majority({})));
  EXPECT_FLOAT_EQ(mean(std::vector<float>{1, 2, 6}), 3);
}

TEST(Vote, PrefixesAreTheAnswersOfSmallerK) {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<float> labels(20);
    for (float& label : labels) label = static_cast<float>(random() % 5);
    for (const Task task : {Task::kClassifier, Task::kRegressor}) {
      const auto prefixes = prefix_answers(task, labels);
      for (std::size_t k = 1; k <= labels.size(); ++k) {
        ASSERT_EQ(prefixes[k - 1], answer(task, std::span(labels).first(k)));
      }
    }
  }
}

TEST(Vote, SharesAreProportions) {
  const auto shares = class_shares(std::vector<float>{2, 7, 2, 2});
  EXPECT_THAT(shares.classes, ElementsAre(2, 7));
  EXPECT_THAT(shares.shares, ElementsAre(.75F, .25F));
}

TEST(Score, EqualsScikitLearn) {
  // sklearn.metrics on y = [0 0 1 1 2 2 2 3], p = [0 1 1 1 2 0 2 1]: accuracy 5/8, f1 = [.5, 2/3, .8, 0], labels 0..3.
  Score score(Task::kClassifier);
  const std::vector<float> y = {0, 0, 1, 1, 2, 2, 2, 3}, p = {0, 1, 1, 1, 2, 0, 2, 1};
  for (std::size_t i = 0; i < y.size(); ++i) score.add(y[i], std::vector<float>{9, p[i]});
  EXPECT_DOUBLE_EQ(score.accuracy(), 5. / 8);
  EXPECT_NEAR(score.macro_f1(), (.5 + 2. / 3 + .8 + 0) / 4, 1e-12);
  EXPECT_THAT(score.by_k(), ElementsAre(0, 5. / 8));
  EXPECT_DOUBLE_EQ(score.classes().at(2).recall(), 2. / 3);
  EXPECT_DOUBLE_EQ(score.classes().at(1).precision(), .5);
}

TEST(Score, AClassThatDoesNotOccurIsNoNan) {
  Score score(Task::kClassifier);  // labels 1 and 7 only; a prediction of 3 has no support
  score.add(1, std::vector<float>{1});
  score.add(7, std::vector<float>{3});
  score.add(7, {});
  EXPECT_DOUBLE_EQ(score.macro_f1(), .5);
  EXPECT_DOUBLE_EQ(score.accuracy(), 1. / 3);
}

TEST(Score, MeanSquaredError) {
  Score score(Task::kRegressor);
  score.add(1, std::vector<float>{1, 3});
  score.add(2, std::vector<float>{2, 2});
  EXPECT_DOUBLE_EQ(score.mean_squared_error(), 2);
  EXPECT_THAT(score.by_k(), ElementsAre(0, 2));
}

TEST(KnnMetadata, WritesTheDocumentedKeysAndReadsThemBack) {
  Metadata metadata{5, Task::kClassifier, ReductionMetadata{Reduction::kSign, 3, 10, 20}, false, 20};
  const std::string text = to_json(metadata);
  EXPECT_EQ(parse_metadata(text, "m.json"), metadata);
  metadata.reduction.reset();
  EXPECT_THAT(to_json(metadata), HasSubstr("\"dimension_reduction\": null"));
  EXPECT_EQ(parse_metadata(to_json(metadata), "m.json"), metadata);
}

TEST(KnnMetadata, ReadsWhatHandsAndOtherProgramsWrite) {
  const auto plain = parse_metadata(R"({"k": 5.0, "predictor_type": "regressor", "normalize": False, "x": [1],
                                        "dimension_reduction": None, "note": "None \" True", "version": "1.0"})",
                                    "m");
  EXPECT_EQ(plain.k, 5);
  EXPECT_EQ(plain.predictor_type, Task::kRegressor);
  EXPECT_EQ(plain.feature_dim, 0);
}

TEST(KnnMetadata, NamesFileKeyAndRule) {
  struct Row {
    const char *text, *says;
  };
  for (
      const Row& row :
      {Row{"[]", "must be a JSON object"}, Row{"{", "m.json"}, Row{R"({"predictor_type":"classifier"})", "k: missing"},
       Row{R"({"k":0,"predictor_type":"classifier"})", "k: 0: must be an integer from 1"},
       Row{R"({"k":1.5,"predictor_type":"classifier"})", "k: 1.5"},
       Row{R"({"k":1e300,"predictor_type":"classifier"})", "k: 1e+300"},
       Row{R"({"k":1,"predictor_type":"tree"})", "classifier or regressor"},
       Row{R"({"k":1,"predictor_type":"classifier","normalize":1})", "true or false"},
       Row{R"({"k":1,"predictor_type":"classifier","dimension_reduction":{"type":"sign","seed":3,"target_dim":1,"input_dim":2}})",
           "drawn by another program"},
       Row{R"({"k":1,"predictor_type":"classifier","dimension_reduction":7})", "must be a JSON object"}}) {
    EXPECT_THAT(problem([&] { parse_metadata(row.text, "m.json"); }), HasSubstr(row.says)) << row.text;
  }
}

TEST(Dataset, RefusesWhatIsNotALabelledFiniteRow) {
  auto batch = numbered(0, 4);
  EXPECT_NO_THROW(require_labelled_rows(batch, "train", 0));
  auto odd = numbered(0, 4);
  odd.values[5] = std::nanf("");
  EXPECT_THAT(problem([&] { require_labelled_rows(odd, "train", 100); }),
              HasSubstr("train channel: row 103, feature 2 is nan"));
  auto label = numbered(0, 4);
  label.labels[1] = INFINITY;
  EXPECT_THAT(problem([&] { require_labelled_rows(label, "test", 0); }),
              HasSubstr("test channel: row 2: label is inf"));
  auto bare = numbered(0, 4);
  bare.label_width = 0;
  EXPECT_THAT(problem([&] { require_labelled_rows(bare, "train", 0); }), HasSubstr("exactly one"));
}

TEST(Dataset, WarnsOfLabelsThatFloat32CannotHold) {
  auto batch = numbered(0, 2);
  EXPECT_FALSE(has_inexact_labels(batch));
  batch.labels[1] = 16777216;
  EXPECT_TRUE(has_inexact_labels(batch));
}

TEST(Memory, FailsBeforeReadingWithAdvice) {
  EXPECT_NO_THROW(require_memory(1000, 10, 40'000));
  const auto text = problem([] { require_memory(1'000'000'000'000, 1000, 1 << 30); });
  EXPECT_THAT(text, HasSubstr("sample_size: 1000000000000 rows of 1000 features need 4000000000000000 bytes"));
  EXPECT_THAT(text, HasSubstr("decrease sample_size"));
  EXPECT_EQ(mem_available("MemTotal: 5 kB\nMemAvailable:   12 kB\n"), 12 * 1024);
  EXPECT_EQ(mem_available("MemTotal: 5 kB\n"), std::nullopt);
  EXPECT_GT(available_memory(), 1 << 20);
}

TEST(Memory, BoundsRowsByTheSizeOfTheFiles) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "a";
  std::ofstream(path) << std::string(4000, 'x');
  EXPECT_EQ(most_rows({{path, ""}}, formats::Format::kRecordIoProtobuf, 10), 101);
  EXPECT_EQ(most_rows({{path, ""}}, formats::Format::kCsv, 10), 201);
  std::ofstream(path) << "\x1f\x8b rest";
  EXPECT_EQ(most_rows({{path, ""}}, formats::Format::kCsv, 10), std::nullopt);
}

}  // namespace
}  // namespace clary::knn
