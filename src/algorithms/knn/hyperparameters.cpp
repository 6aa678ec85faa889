// SPDX-License-Identifier: Apache-2.0
// See hyperparameters.h.
#include "algorithms/knn/hyperparameters.h"

#include <cmath>

namespace clary::knn {

using hyper::categorical;
using hyper::ignored;
using hyper::integer;

const Schema<Hyperparameters>& schema() {
  using H = Hyperparameters;
  static const Schema<H> table{
      "knn",
      // Names, ranges and defaults follow AWS's documentation of k-NN; 0 stands for "auto", "all" and "unset".
      {
          integer("feature_dim", &H::feature_dim, 1)
              .literal("auto", "0")
              .required()
              .about("Features per row (d); auto: what the first row has."),
          integer("k", &H::k, 1)
              .required()
              .tunable(1, 1024)
              .about("Neighbours consulted per query; more than the index holds means all of them."),
          categorical("predictor_type", &H::predictor_type,
                      {{"classifier", Task::kClassifier}, {"regressor", Task::kRegressor}})
              .literal("regression", "regressor")
              .literal("classification", "classifier")
              .required()
              .about("Majority vote (ties: the smallest label), or mean of the neighbours' labels."),
          integer("sample_size", &H::sample_size, 1)
              .literal("all", "0")
              .required()
              .tunable(256, 20'000'000)
              .about(
                  "Training rows kept (n), over all hosts; all, or at least as many as there are, keeps every row in "
                  "input order."),
          categorical("dimension_reduction_type", &H::reduction_type,
                      {{"sign", Reduction::kSign}, {"fjlt", Reduction::kFjlt}})
              .about("Random projection of rows and queries: sign (dense signs) or fjlt (fast Johnson-Lindenstrauss)."),
          integer("dimension_reduction_target", &H::reduction_target, 1)
              .literal("", "0")
              .about("Features after the projection; below feature_dim."),
          categorical("index_type", &H::index_type,
                      {{"faiss.Flat", IndexType::kFlat},
                       {"faiss.IVFFlat", IndexType::kIvfFlat},
                       {"faiss.IVFPQ", IndexType::kIvfPq}})
              .about("Exact; cells of a coarse k-means; cells with 8-bit product quantisation."),
          categorical("index_metric", &H::index_metric,
                      {{"L2", Metric::kL2}, {"INNER_PRODUCT", Metric::kInnerProduct}, {"COSINE", Metric::kCosine}})
              .about("What near means. Answers hold squared L2, inner products or cosines."),
          integer("faiss_index_ivf_nlists", &H::ivf_nlists, 1)
              .literal("auto", "0")
              .about("Cells of the IVF types; auto: floor(sqrt(n)), n the rows kept."),
          categorical("faiss_index_pq_m", &H::pq_m,
                      {{"1", 1},
                       {"2", 2},
                       {"3", 3},
                       {"4", 4},
                       {"8", 8},
                       {"12", 12},
                       {"16", 16},
                       {"20", 20},
                       {"24", 24},
                       {"28", 28},
                       {"32", 32},
                       {"40", 40},
                       {"48", 48},
                       {"56", 56},
                       {"64", 64},
                       {"96", 96}})
              .literal("auto", "")
              .about("Sub-vectors, one byte each, of a row under faiss.IVFPQ; default 8, or less for narrower rows. A "
                     "width it does not divide is raised to the next multiple."),
          integer("nprobe", &H::nprobe, 1)
              .about("Cells searched per query by the IVF types, unless the request says otherwise."),
          integer("mini_batch_size", &H::mini_batch_size, 1, 10'000'000).about("Rows read and scored at a time."),
          integer("epochs", &H::epochs, 1, 1).hidden().about("One pass; nothing else makes sense."),
          integer("_faiss_index_nprobe", &H::hidden_nprobe, 1).hidden().about("AWS's unlisted spelling of nprobe."),
          // Settings internal to AWS's container, accepted without effect.
          ignored<H>("_tuning_objective_metric"),
          ignored<H>("_kvstore", "dist_async"),
          ignored<H>("_log_level", "info"),
          ignored<H>("_num_gpus", "auto"),
          ignored<H>("_num_kv_servers", "1"),
          ignored<H>("_enable_profiler", "false"),
      },
      {{"\"dimension_reduction_target\" is required when \"dimension_reduction_type\" is set.",
        [](const H& hp) { return hp.reduction_type == Reduction::kNone || hp.reduction_target > 0; }},
       {"k must not exceed sample_size",
        [](const H& hp) { return hp.sample_size == H::kAll || hp.k <= hp.sample_size; }},
       // With feature_dim "auto" the width is known only when rows have been read; train/trainer.cpp checks then.
       {"dimension_reduction_target must be below feature_dim",
        [](const H& hp) {
          return hp.reduction_type == Reduction::kNone || hp.feature_dim == H::kAuto ||
                 hp.reduction_target < hp.feature_dim;
        }},
       {"index_type faiss.IVFPQ works with index_metric L2 only",
        [](const H& hp) { return hp.index_type != IndexType::kIvfPq || hp.index_metric == Metric::kL2; }},
       {"nprobe and _faiss_index_nprobe must agree when both are given", [](const H& hp) {
          return hp.nprobe == H::kDefaultProbes || hp.hidden_nprobe == H::kDefaultProbes ||
                 hp.nprobe == hp.hidden_nprobe;
        }}}};
  return table;
}

// The floor of the root, made exact: the double root may be one too large.
std::int64_t automatic_nlists(std::int64_t sample_size) {
  auto root = static_cast<std::int64_t>(std::sqrt(static_cast<double>(sample_size)));
  while (root > 1 && root * root > sample_size) --root;
  return root < 1 ? 1 : root;
}

std::int64_t automatic_pq_m(std::int64_t width) {
  for (const std::int64_t m : {8, 4, 3, 2}) {
    if (m <= width) return m;
  }
  return 1;
}

}  // namespace clary::knn
