// SPDX-License-Identifier: Apache-2.0
#include "algorithms/knn/data/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace clary::knn {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

formats::Batch labelled(std::int64_t rows) {
  formats::Batch out;
  out.width = 2;
  out.rows = rows;
  out.label_width = 1;
  out.values.assign(static_cast<std::size_t>(2 * rows), 1);
  out.labels.assign(static_cast<std::size_t>(rows), 1);
  return out;
}

TEST(Dataset, RefusesWhatIsNotALabelledFiniteRow) {
  auto batch = labelled(4);
  EXPECT_NO_THROW(require_labelled_rows(batch, "train", 0));
  auto odd = labelled(4);
  odd.values[5] = std::nanf("");
  EXPECT_THAT([&] { require_labelled_rows(odd, "train", 100); },
              ThrowsMessage<Error>(HasSubstr("train channel: row 103, feature 2 is nan")));
  auto label = labelled(4);
  label.labels[1] = INFINITY;
  EXPECT_THAT([&] { require_labelled_rows(label, "test", 0); },
              ThrowsMessage<Error>(HasSubstr("test channel: row 2: label is inf")));
  auto bare = labelled(4);
  bare.label_width = 0;
  EXPECT_THAT([&] { require_labelled_rows(bare, "train", 0); }, ThrowsMessage<Error>(HasSubstr("exactly one")));
}

TEST(Dataset, WarnsOfLabelsThatFloat32CannotHold) {
  auto batch = labelled(2);
  EXPECT_FALSE(has_inexact_labels(batch));
  batch.labels[1] = 16777216;
  EXPECT_TRUE(has_inexact_labels(batch));
}

}  // namespace
}  // namespace clary::knn
