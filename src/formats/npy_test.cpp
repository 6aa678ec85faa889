// SPDX-License-Identifier: Apache-2.0
#include "formats/npy.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace clary::formats {
namespace {

TEST(Npy, HeaderFollowsTheFormat) {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  const std::vector<std::int64_t> shape{2, 3};
  const std::string bytes = npy(values, shape);
  ASSERT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ((bytes.size() - 24) % 64, 0U);
  EXPECT_NE(bytes.find("{'descr': '<f4', 'fortran_order': False, 'shape': (2,3,), }"), std::string::npos);
  EXPECT_EQ(bytes[bytes.size() - 25], '\n');
  const std::vector<std::int64_t> wrong{7};
  EXPECT_THROW(npy(values, wrong), Error);
}

TEST(Npy, NumpyReadsIt) {
  const TemporaryFolder folder;
  write_npy(folder.path() / "a.npy", std::vector<float>{1, 2, 3, 4, 5, 6}, std::vector<std::int64_t>{2, 3});
  write_npy(folder.path() / "b.npy", std::vector<std::int64_t>{-1, 1LL << 40}, std::vector<std::int64_t>{2});
  const std::string command =
      "/usr/bin/python3 -c 'import numpy as n, sys; d = sys.argv[1]; a = n.load(d + \"/a.npy\"); b = n.load(d + "
      "\"/b.npy\");"
      " assert a.dtype == n.float32 and a.tolist() == [[1, 2, 3], [4, 5, 6]], a;"
      " assert b.dtype == n.int64 and b.tolist() == [-1, 1 << 40], b' " +
      folder.path().string();
  EXPECT_EQ(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace clary::formats
