// SPDX-License-Identifier: Apache-2.0
#include "algorithms/knn/hyperparameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace clary::knn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

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
    EXPECT_THAT(
        [&] {
          schema().parse(given({{row.name, row.value}}));
        },
        ThrowsMessage<Error>(HasSubstr(row.says)))
        << row.name;
  }
  const auto both = [] { schema().parse({{"kk", "1"}, {"feature_dim", "0"}}); };
  for (const char* part : {"'kk' was unexpected", "feature_dim", "'k'", "'sample_size'", "'predictor_type'"}) {
    EXPECT_THAT(both, ThrowsMessage<Error>(HasSubstr(part)));
  }
}

TEST(KnnHyperparameters, ChecksRulesAcrossFields) {
  EXPECT_THAT(
      [] {
        schema().parse(given({{"dimension_reduction_type", "fjlt"}, {"dimension_reduction_target", "54"}}));
      },
      ThrowsMessage<Error>(HasSubstr("dimension_reduction_target must be below feature_dim")));
  for (const char* metric : {"COSINE", "INNER_PRODUCT"}) {
    EXPECT_THAT(
        [&] {
          schema().parse(given({{"index_type", "faiss.IVFPQ"}, {"index_metric", metric}}));
        },
        ThrowsMessage<Error>(AllOf(HasSubstr("index_type"), HasSubstr("index_metric"))));
    EXPECT_NO_THROW(schema().parse(given({{"index_type", "faiss.IVFFlat"}, {"index_metric", metric}})));
  }
  EXPECT_THAT(
      [] {
        schema().parse(given({{"k", "8"}, {"sample_size", "7"}}));
      },
      ThrowsMessage<Error>(HasSubstr("k must not exceed sample_size")));
  EXPECT_NO_THROW(schema().parse(given({{"k", "8"}, {"sample_size", "all"}})));
  EXPECT_THAT(
      [] {
        schema().parse(given({{"nprobe", "3"}, {"_faiss_index_nprobe", "4"}}));
      },
      ThrowsMessage<Error>(HasSubstr("nprobe")));
}

TEST(KnnHyperparameters, AutomaticValues) {
  EXPECT_EQ(automatic_nlists(1297), 36);
  EXPECT_EQ(automatic_nlists(1), 1);
  EXPECT_EQ(automatic_nlists(999'999), 999);
  EXPECT_EQ(automatic_pq_m(54), 8);
  EXPECT_EQ(automatic_pq_m(5), 4);
  EXPECT_EQ(automatic_pq_m(1), 1);
}

}  // namespace
}  // namespace clary::knn
