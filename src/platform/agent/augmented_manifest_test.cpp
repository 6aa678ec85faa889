// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/augmented_manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include "base/error.h"
#include "base/files.h"

namespace clary::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string problem_of(std::string_view line, const std::vector<std::string>& names) {
  try {
    attribute_values(line, names);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kMalformed);
    return error.what();
  }
  return "";
}

TEST(AugmentedManifest, ValuesAreCharactersOfStringsAndJsonAsWrittenOfTheRest) {
  const char* line =
      R"({"x": null, "label": [1,  0, 1], "source": "a \"b\" \u00e4", "n": 1 , "e": 1.50e3, "o": {"k": [ ]}, "b": true})";
  EXPECT_THAT(attribute_values(line, {"source", "label", "n", "e", "o", "b"}),
              ElementsAre("a \"b\" \xc3\xa4", "[1,  0, 1]", "1", "1.50e3", R"({"k": [ ]})", "true"));
  EXPECT_THAT(attribute_values(line, {"label", "source"}), ElementsAre("[1,  0, 1]", "a \"b\" \xc3\xa4"));
  EXPECT_THAT(attribute_values(R"({"a": "[1, 0]", "image-ref": "s3://b/k"})", {"image-ref", "a"}),
              ElementsAre("s3://b/k", "[1, 0]"));
}

TEST(AugmentedManifest, BadLinesAreNamed) {
  EXPECT_THAT(problem_of("[1]", {"a"}), HasSubstr("not a JSON object"));
  EXPECT_THAT(problem_of(R"({"a": 1} x)", {"a"}), HasSubstr("not a JSON object"));
  EXPECT_THAT(problem_of(R"({"a": 1, "b": )", {"a"}), HasSubstr("not a JSON object"));
  EXPECT_THAT(problem_of(R"({"a": 1})", {"a", "label"}), HasSubstr("has no attribute \"label\""));
  EXPECT_THAT(problem_of(R"({"a": null})", {"a"}), HasSubstr("has no attribute \"a\""));
  EXPECT_THAT(problem_of(R"({"a-ref": 3})", {"a-ref"}), HasSubstr("must be an S3 address"));
  EXPECT_THAT(problem_of(std::string(100'000, '['), {"a"}), HasSubstr("not a JSON object"));
}

TEST(AugmentedManifest, LinesKeepTheirNumbers) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "m", "{\"a\": 1}\r\n\n  {\"a\": 2}  \n{\"a\": 3}");
  const ManifestLines lines(folder.path() / "m");
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[1], "{\"a\": 2}");
  EXPECT_EQ(lines[2], "{\"a\": 3}");
  EXPECT_EQ(lines.number(1), 3U);
  write_file_atomically(folder.path() / "empty", "\n \n");
  EXPECT_THROW(ManifestLines(folder.path() / "empty"), Error);
  write_file_atomically(folder.path() / "nothing", "");
  EXPECT_THROW(ManifestLines(folder.path() / "nothing"), Error);
}

TEST(AugmentedManifest, GzippedLinesAreRead) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "m.gz";
  gzFile zipped = ::gzopen(file.c_str(), "wb");
  ::gzputs(zipped, "{\"a\": 1}\n\n{\"a\": 2}\n");
  ::gzclose(zipped);
  const ManifestLines lines(file, true);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1], "{\"a\": 2}");
  EXPECT_EQ(lines.number(1), 3U);
  const std::string bytes = read_file(file);
  write_file_atomically(folder.path() / "cut", bytes.substr(0, bytes.size() - 6));
  EXPECT_THROW(ManifestLines(folder.path() / "cut", true), Error);
  write_file_atomically(folder.path() / "plain", "{\"a\": 1}\n");
  EXPECT_THROW(ManifestLines(folder.path() / "plain", true), Error);
}

}  // namespace
}  // namespace clary::agent
