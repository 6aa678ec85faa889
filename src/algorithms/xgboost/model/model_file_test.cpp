// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/model/model_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "algorithms/xgboost/model/model.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::xgboost {
namespace {

using ::testing::HasSubstr;

std::vector<float> features() {
  std::vector<float> out;
  for (int i = 0; i < 400; ++i) out.push_back(static_cast<float>((i * 37) % 101));
  return out;
}

Matrix rows() {
  const auto values = features();
  std::vector<float> labels;
  for (int r = 0; r < 100; ++r) labels.push_back(values[static_cast<std::size_t>(4 * r)] > 50 ? 1.0F : 0.0F);
  Matrix out = Matrix::from_dense(values, 100, 4, 1);
  out.set_labels(labels);
  return out;
}

Booster trained() {
  const Matrix train = rows();
  const Matrix* all[] = {&train};
  Booster out(all);
  out.set("objective", "binary:logistic");
  out.set("seed", "1");
  for (int round = 0; round < 4; ++round) out.update(round, train);
  out.set_attribute("best_iteration", "2");
  out.set_attribute("best_ntree_limit", "3");
  return out;
}

/// Runs Python with `path` as its argument; its standard output.
std::string python(const std::string& program, const std::filesystem::path& path) {
  const std::string command = "/usr/bin/python3 -c '" + program + "' " + path.string() + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  std::string out;
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, got);
  pclose(pipe);
  return out;
}

std::string printed(const std::vector<float>& values) {
  std::string out;
  for (const float value : values) out += fmt::format("{:.9g} ", value);
  return out;
}

constexpr const char* kPredict = R"(
import sys, pickle, numpy as np
try:
  import xgboost as xgb
except ImportError:
  print("absent"); sys.exit()
x = np.array([(i * 37) % 101 for i in range(400)], dtype=np.float32).reshape(100, 4)
raw = open(sys.argv[1], "rb").read()
if raw[:1] == b"\x80":
  b = pickle.loads(raw)
  assert b.attr("best_ntree_limit") == "3"
else:
  b = xgb.Booster()
  b.load_model(sys.argv[1])
print(" ".join("%.9g" % v for v in b.predict(xgb.DMatrix(x))), end=" "))";

ModelFile form_of(const char* tag) { return model_file_of(tag_of({"sagemaker-xgboost", tag})); }

TEST(ModelFile, TagsChooseTheForm) {
  EXPECT_EQ(model_file_of(tag_of({"xgboost", "1"})), ModelFile::kPickle);
  EXPECT_EQ(model_file_of(tag_of({"xgboost", "latest"})), ModelFile::kPickle);
  EXPECT_EQ(form_of("0.90-2-cpu-py3"), ModelFile::kPickle);
  EXPECT_EQ(form_of("1.0-1-cpu-py3"), ModelFile::kPickle);
  EXPECT_EQ(form_of("1.2-2"), ModelFile::kPickle);
  EXPECT_EQ(form_of("1.3-1"), ModelFile::kBinary);
  EXPECT_EQ(form_of("1.7-1"), ModelFile::kBinary);
  EXPECT_EQ(form_of("3.0-5"), ModelFile::kUbj);
  EXPECT_EQ(form_of(""), ModelFile::kBinary);
  setenv("CLARY_XGBOOST_MODEL_FORMAT", "json", 1);
  EXPECT_EQ(form_of("1.0-1"), ModelFile::kJson);
  setenv("CLARY_XGBOOST_MODEL_FORMAT", "onnx", 1);
  EXPECT_THROW(form_of("1.7-1"), Error);
  unsetenv("CLARY_XGBOOST_MODEL_FORMAT");
}

TEST(ModelFile, EveryFormIsReadBack) {
  const Booster booster = trained();
  const Matrix matrix = rows();
  const auto expected = booster.predict(matrix).values;
  for (const auto form : {ModelFile::kPickle, ModelFile::kBinary, ModelFile::kUbj, ModelFile::kJson}) {
    const Booster loaded = read_model(write_model(booster, form));
    EXPECT_EQ(loaded.predict(matrix).values, expected);
    EXPECT_EQ(loaded.attribute("best_ntree_limit"), "3");
  }
  EXPECT_TRUE(write_model(booster, ModelFile::kBinary).starts_with("binf"));
}

TEST(ModelFile, PythonReadsWhatWeWrite) {
  TemporaryFolder folder;
  const Booster booster = trained();
  const std::string expected = printed(booster.predict(rows()).values);
  for (const auto form : {ModelFile::kPickle, ModelFile::kBinary, ModelFile::kUbj, ModelFile::kJson}) {
    const auto path = folder.path() / (form == ModelFile::kUbj    ? "m.ubj"
                                       : form == ModelFile::kJson ? "m.json"
                                                                  : "xgboost-model");
    write_file_atomically(path, write_model(booster, form));
    const std::string answer = python(kPredict, path);
    if (answer == "absent\n") GTEST_SKIP() << "python3-xgboost is not installed";
    EXPECT_EQ(answer, expected);
  }
}

TEST(ModelFile, WeReadWhatPythonPickles) {
  TemporaryFolder folder;
  const std::string program = R"(
import sys, pickle, numpy as np
try:
  import xgboost as xgb
except ImportError:
  print("absent"); sys.exit()
x = np.array([(i * 37) % 101 for i in range(400)], dtype=np.float32).reshape(100, 4)
y = (x[:, 0] > 50).astype(int)
d = xgb.DMatrix(x, label=y, feature_names=["a", "b", "c", "d"])
b = xgb.train({"objective": "binary:logistic"}, d, 5)
for protocol in range(6):
  pickle.dump(b, open(sys.argv[1] + "/%d" % protocol, "wb"), protocol=protocol)
class Old:  # what 1.0 to 1.2 pickled
  pass
raw = bytes(b.save_raw("deprecated"))[4:]
import copyreg
snap = b"CONFIG-offset:" + len(raw).to_bytes(8, "little") + raw + b.save_config().encode()
for protocol in range(6):
  state = {"handle": bytearray(snap), "feature_names": ["a", "b", "c", "d"], "feature_types": None,
           "booster": "gbtree", "best_iteration": 4, "best_ntree_limit": 5}
  o = xgb.Booster.__new__(xgb.Booster)
  xgb.Booster.__getstate__, keep = (lambda self: state), xgb.Booster.__getstate__
  pickle.dump(o, open(sys.argv[1] + "/old%d" % protocol, "wb"), protocol=protocol)
  state = dict(state, handle=bytearray(raw))
  pickle.dump(o, open(sys.argv[1] + "/raw%d" % protocol, "wb"), protocol=protocol)
  xgb.Booster.__getstate__ = keep
s = xgb.XGBClassifier(n_estimators=5).fit(x, y)
pickle.dump(s, open(sys.argv[1] + "/estimator", "wb"))
print(" ".join("%.9g" % v for v in b.inplace_predict(x, validate_features=False)), end=" "))";
  const std::string expected = python(program, folder.path());
  if (expected == "absent\n") GTEST_SKIP() << "python3-xgboost is not installed";
  const auto values = features();
  const Matrix matrix = Matrix::from_dense(values, 100, 4, 1);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    SCOPED_TRACE(entry.path());
    const Booster loaded = read_model(read_file(entry.path()));
    EXPECT_EQ(printed(loaded.predict(matrix).values), expected);
    if (entry.path().filename() != "estimator") {
      EXPECT_THAT(loaded.feature_names(), testing::ElementsAre("a", "b", "c", "d"));
    }
    ++files;
  }
  EXPECT_EQ(files, 19);
}

TEST(ModelFile, PicklesOfOtherThingsAreRefused) {
  for (const std::string_view bytes :
       {std::string_view("\x80\x02}q\x00.", 6), std::string_view("cos\nsystem\n(S'touch /tmp/x'\ntR."),
        std::string_view("\x80\x04"), std::string_view("\x80\x02X\xff\xff\xff\xff", 7),
        std::string_view("\x80\x02"
                         "0."),
        std::string_view("\x80\x02"
                         "h\x05.")})
    EXPECT_THROW(parse_pickle(bytes), Error) << bytes;
}

TEST(ModelFile, CutPicklesAreRefusedAtEveryByte) {
  const std::string whole = write_pickle({.handle = "some \xff bytes",
                                          .feature_names = {"a"},
                                          .feature_types = {},
                                          .booster = "gbtree",
                                          .best_iteration = 3,
                                          .best_ntree_limit = 4});
  EXPECT_EQ(parse_pickle(whole).handle, "some \xff bytes");
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(parse_pickle(std::string_view(whole).substr(0, size)), Error) << size;
}

TEST(ModelFile, FoldersHoldOneModelOrAnEnsemble) {
  TemporaryFolder folder;
  std::vector<Booster> one;
  one.push_back(trained());
  Model(std::move(one)).save(folder.path());
  EXPECT_EQ(Model::load(folder.path()).boosters().size(), 1U);
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "xgboost-model"));
  TemporaryFolder folds;
  std::vector<Booster> two;
  two.push_back(trained());
  two.push_back(trained());
  Model(std::move(two)).save(folds.path());
  std::ofstream(folds.path() / ".DS_Store") << "x";
  EXPECT_EQ(Model::load(folds.path()).boosters().size(), 2U);
  EXPECT_TRUE(std::filesystem::exists(folds.path() / "xgboost-model-1"));
  std::ofstream(folds.path() / "notes.txt") << "x";
  try {
    Model::load(folds.path());
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("Unable to load model: notes.txt: "));
  }
}

}  // namespace
}  // namespace clary::xgboost
