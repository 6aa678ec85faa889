// SPDX-License-Identifier: Apache-2.0
#include "algorithms/knn/knn.h"

namespace clary::knn {

const shell::Descriptor& Knn::descriptor() {
  static const shell::Descriptor descriptor = [] {
    shell::Descriptor d;
    d.images = {"knn"};
    d.about = "k-nearest neighbours: classification and regression by the stored rows nearest to a query.";
    shell::ChannelSpec train, test;
    train.name = "train";
    train.required = true;
    train.about = "Rows with one label each; the index is built from (a sample of) them.";
    test.name = "test";
    test.about = "Rows with one label each; the finished model is scored on them.";
    d.channels = {train, test};
    // Tuning jobs find the metrics in the log lines by these regular expressions.
    d.metrics = {
        {"test:accuracy", R"(#quality_metric: host=\S+, test accuracy <score>=(\S+))", "Maximize"},
        {"test:mse", R"(#quality_metric: host=\S+, test mse <loss>=(\S+))", "Minimize"},
        {"test:macro_f_1.000", R"(#quality_metric: host=\S+, test macro_f_1.000 <score>=(\S+))", ""},
        {"train:recall@10", R"(#quality_metric: host=\S+, train recall@10 <score>=(\S+))", ""},
        {"train:progress", R"(#progress_metric: host=\S+, completed (\S+) %)", ""},
        {"train:throughput", R"(#throughput_metric: host=\S+, train throughput=(\S+) records/second)", ""},
    };
    d.distributed = true;
    d.log_name = "AWS/KNN";
    return d;
  }();
  return descriptor;
}

}  // namespace clary::knn
