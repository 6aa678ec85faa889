// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/model/model_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

#include "algorithms/xgboost/model/model.h"
#include "algorithms/xgboost/serve/predictor.h"
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

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

/// A model of one split, x0 < 0, for each class: leaves -1 and 1.
std::string split_json(const std::string& base_score, const std::string& objective, int classes = 0,
                       const char* version = "3,1,0") {
  std::string trees, info;
  for (int k = 0; k < std::max(classes, 1); ++k) {
    trees += fmt::format(
        R"({}{{"base_weights":[0E0,-1E0,1E0],"categories":[],"categories_nodes":[],"categories_segments":[],)"
        R"("categories_sizes":[],"default_left":[0,0,0],"id":{},"left_children":[1,-1,-1],"loss_changes":[1E0,0E0,0E0],)"
        R"("parents":[2147483647,0,0],"right_children":[2,-1,-1],"split_conditions":[0E0,-1E0,1E0],)"
        R"("split_indices":[0,0,0],"split_type":[0,0,0],"sum_hessian":[2E0,1E0,1E0],"tree_param":{{"num_deleted":"0",)"
        R"("num_feature":"2","num_nodes":"3","size_leaf_vector":"0"}}}})",
        k == 0 ? "" : ",", k);
    info += fmt::format("{}{}", k == 0 ? "" : ",", k);
  }
  std::string parameter = R"("reg_loss_param":{"scale_pos_weight":"1"})";
  if (classes > 0) parameter = fmt::format(R"("softmax_multiclass_param":{{"num_class":"{}"}})", classes);
  if (objective == "count:poisson") parameter = R"("poisson_regression_param":{"max_delta_step":"0.7"})";
  return fmt::format(
      R"({{"learner":{{"attributes":{{}},"feature_names":[],"feature_types":[],"gradient_booster":{{"model":{{)"
      R"("gbtree_model_param":{{"num_parallel_tree":"1","num_trees":"{0}","size_leaf_vector":"0"}},"tree_info":[{1}],)"
      R"("trees":[{2}]}},"name":"gbtree"}},"learner_model_param":{{"base_score":"{3}","boost_from_average":"1",)"
      R"("num_class":"{4}","num_feature":"2","num_target":"1"}},"objective":{{"name":"{5}",{6}}}}},"version":[{7}]}})",
      std::max(classes, 1), info, trees, base_score, classes, objective, parameter, version);
}

/// Scores of the rows (-1, 0) and (1, 0).
std::vector<float> scores_of(const std::string& bytes) {
  std::vector<Booster> boosters;
  boosters.push_back(read_model(bytes));
  const Predictor predictor(boosters, true);
  formats::Batch batch;
  batch.rows = batch.width = 2;
  batch.values = {-1, 0, 1, 0};
  return predictor.predict(batch).values;
}

float sigmoid(float margin) { return 1 / (1 + std::exp(-margin)); }

TEST(ModelFile, BaseScoresInBracketsAreRead) {
  using testing::FloatNear;
  const auto near = [](float a, float b) { return testing::ElementsAre(FloatNear(a, 1e-5F), FloatNear(b, 1e-5F)); };
  EXPECT_THAT(scores_of(split_json("2.5E0", "reg:squarederror", 0, "2,1,4")), near(1.5F, 3.5F));
  EXPECT_THAT(scores_of(split_json("[2.5E0]", "reg:squarederror")), near(1.5F, 3.5F));
  const float margin = std::log(0.1F / 0.9F);
  EXPECT_THAT(scores_of(split_json("[1E-1]", "binary:logistic")), near(sigmoid(margin - 1), sigmoid(margin + 1)));
  EXPECT_THAT(scores_of(split_json("[0E0]", "count:poisson")), testing::Each(0.0F));  // the link of 0
}

TEST(ModelFile, BaseScoresByClassAreMarginsOfEachRow) {
  const auto scores = scores_of(split_json("[1E-1,5E-1,9E-1]", "multi:softprob", 3));
  ASSERT_EQ(scores.size(), 6U);
  const float sum = std::exp(0.1F) + std::exp(0.5F) + std::exp(0.9F);
  for (std::size_t i = 0; i < scores.size(); ++i)
    EXPECT_NEAR(scores[i], std::exp(0.1F + 0.4F * static_cast<float>(i % 3)) / sum, 1e-5) << i;
  EXPECT_THAT(scores_of(split_json("[1E-1,5E-1,9E-1]", "multi:softmax", 3)), testing::ElementsAre(2, 2));
  EXPECT_NEAR(scores_of(split_json("[5E-1,5E-1,5E-1]", "multi:softprob", 3))[1], 1.0 / 3, 1e-5);
}

std::string refusal(const std::string& bytes) {
  try {
    read_model(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kMalformed);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  return "";
}

TEST(ModelFile, WhatTheLibraryWouldMisreadIsRefused) {
  const std::string good = split_json("5E-1", "reg:squarederror", 0, "2,1,4");
  EXPECT_EQ(refusal(good), "");
  EXPECT_EQ(refusal(split_json("half", "reg:squarederror")),
            "base_score 'half' is neither a number nor a list of numbers");
  EXPECT_THAT(refusal(split_json("[1E-1,5E-1]", "multi:softprob", 3)),
              HasSubstr("base_score has 2 values, num_class is 3"));
  EXPECT_THAT(
      refusal(replaced(good, R"("size_leaf_vector":"0"},"tree_info")", R"("size_leaf_vector":"3"},"tree_info")")),
      HasSubstr("size_leaf_vector 3: leaves of several numbers cannot be read (XGBoost 2.1.4 wrote it"));
  EXPECT_THAT(refusal(replaced(good, "reg:squarederror", "reg:quantileerror")),
              HasSubstr("objective 'reg:quantileerror' is not known to the library (XGBoost 2.1.4 wrote it, "));
  EXPECT_THAT(refusal(replaced(good, R"("name":"gbtree")", R"("name":"gbforest")")),
              HasSubstr("booster 'gbforest' is none of"));
}

TEST(ModelFile, FilesThatAreNoModelAreNamed) {
  const std::string json = write_model(trained(), ModelFile::kJson), ubj = write_model(trained(), ModelFile::kUbj),
                    binary = write_model(trained(), ModelFile::kBinary);
  EXPECT_THAT(refusal(json.substr(0, json.size() / 2)), HasSubstr("its JSON ends early"));
  EXPECT_THAT(refusal(ubj.substr(0, ubj.size() / 2)), HasSubstr("its UBJSON is cut short or damaged"));
  EXPECT_THAT(refusal(binary.substr(0, binary.size() / 2)), HasSubstr("it is cut short, or none of the forms"));
  EXPECT_THAT(refusal("0:[f0<0.5] yes=1,no=2,missing=1\n\t1:leaf=0.4\n\t2:leaf=-0.4\n"), HasSubstr("it is text"));
  EXPECT_THAT(refusal(R"([{"nodeid":0,"leaf":0.4}])"), HasSubstr("it is a JSON list, as dump_model writes it"));
  EXPECT_THAT(refusal(R"({"learner":{"generic_param":{"seed":"0"}},"version":[1,7,4]})"),
              HasSubstr("it is no model but other JSON: learner.gradient_booster.model is missing"));
  EXPECT_THAT(refusal(trained().json_config()), HasSubstr("learner.gradient_booster.model is missing"));
  EXPECT_THAT(refusal("\x78\x9c\x01\x02\x03"), HasSubstr("compressed by zlib"));
  EXPECT_THAT(
      refusal(R"({"learner":{"gradient_booster":{"name":"gbtree","model":{}},"learner_model_param":{"base_score":"1"},)"
              R"("objective":{"name":"reg:squarederror"}},"version":[1,7,4]})"),
      HasSubstr("a member of the model is missing, damaged or newer than XGBoost"));
}

/// The binary form starts with base_score as float32, whose first byte is '{' for one value in 256.
TEST(ModelFile, ABaseScoreThatLooksLikeJsonIsRead) {
  const Matrix train = rows();
  const Matrix* all[] = {&train};
  Booster booster(all);
  booster.set("base_score", "4.786924");
  for (int round = 0; round < 4; ++round) booster.update(round, train);
  booster.set_attribute("best_ntree_limit", "3");
  const auto expected = booster.predict(train).values;
  const std::string binary = write_model(booster, ModelFile::kBinary);
  ASSERT_EQ(binary.substr(0, 5), "binf{");
  EXPECT_EQ(read_model(binary).predict(train).values, expected);
  EXPECT_EQ(read_model(std::string_view(binary).substr(4)).predict(train).values, expected);
  const std::string pickle = write_model(booster, ModelFile::kPickle);
  EXPECT_EQ(read_model(pickle).predict(train).values, expected);
  // Files of before: the snapshot without the magic.
  PickledBooster old = parse_pickle(pickle);
  const std::size_t magic = old.handle.find("binf");
  ASSERT_NE(magic, std::string::npos);
  old.handle.erase(magic, 4);
  const auto low = static_cast<unsigned char>(old.handle[14]);
  ASSERT_GE(low, 4);
  old.handle[14] = static_cast<char>(low - 4);
  EXPECT_EQ(read_model(write_pickle(old)).predict(train).values, expected);
  TemporaryFolder folder;
  write_file_atomically(folder.path() / "xgboost-model", pickle);
  const std::string answer = python(kPredict, folder.path() / "xgboost-model");
  if (answer != "absent\n") {
    EXPECT_EQ(answer, printed(expected));
  }
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
