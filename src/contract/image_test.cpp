// SPDX-License-Identifier: Apache-2.0
#include "contract/image.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "contract/layout.h"

namespace clary::contract {
namespace {

TEST(ImageName, DropsRegistryAndDigest) {
  struct Row {
    const char *image, *repository, *tag;
  };
  for (const Row& row : {Row{"174872318107.dkr.ecr.us-west-2.amazonaws.com/ntm:1", "ntm", "1"}, Row{"ntm", "ntm", ""},
                         Row{"localhost:5000/team/knn:2", "team/knn", "2"}, Row{"localhost/knn", "knn", ""},
                         Row{"team/knn", "team/knn", ""}, Row{"a.b/ntm:1@sha256:00", "ntm", "1"}}) {
    SCOPED_TRACE(row.image);
    EXPECT_EQ(parse_image(row.image).repository, row.repository);
    EXPECT_EQ(parse_image(row.image).tag, row.tag);
  }
}

TEST(Image, ComesFromTheEnvironment) {
  ::unsetenv(kEnvImage);
  EXPECT_EQ(image_from_environment().repository, "");
  ::setenv(kEnvImage, "1234.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.0-1-cpu-py3", 1);
  EXPECT_EQ(image_from_environment().repository, "sagemaker-xgboost");
  EXPECT_EQ(image_from_environment().tag, "1.0-1-cpu-py3");
  ::unsetenv(kEnvImage);
}

}  // namespace
}  // namespace clary::contract
