// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/model/model_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "algorithms/xgboost/model/model_document.h"
#include "algorithms/xgboost/model/objectives.h"
#include "base/error.h"
#include "base/json.h"

namespace clary::xgboost {
namespace {

constexpr const char* kEnvModelFormat = "CLARY_XGBOOST_MODEL_FORMAT";
constexpr std::string_view kBinaryMagic = "binf";
constexpr std::string_view kConfigOffset = "CONFIG-offset:";  // of the library's snapshots of 1.0 to 1.5

/// The snapshot form that 1.0 to 1.2 pickled: marker, length of the model, the model without its magic, configuration.
/// Little-endian length, as xgboost/src/learner.cc writes it.
std::string old_snapshot(const Booster& booster) {
  std::string model = booster.save_to_buffer(ModelFormat::kDeprecated);
  // Without the magic the model starts with base_score, a float32. If its first byte is '{', every version of the
  // library takes the model for JSON, and the magic, which they all read, must stay.
  const bool looks_like_json = model.size() > kBinaryMagic.size() && model[kBinaryMagic.size()] == '{';
  if (model.starts_with(kBinaryMagic) && !looks_like_json) model.erase(0, kBinaryMagic.size());
  std::string out(kConfigOffset);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(static_cast<std::uint64_t>(model.size()) >> (8 * i));
  return out + model + booster.json_config();
}

std::string booster_name(const Booster& booster) {
  const Json config = parse_json(booster.json_config());
  return config.at("learner").at("gradient_booster").at("name").get<std::string>();
}

// Attributes are texts; one that is no number counts as absent.
std::optional<std::int64_t> integer_attribute(const Booster& booster, const char* name) {
  const auto text = booster.attribute(name);
  std::int64_t value = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc()) return std::nullopt;
  return value;
}

std::string pickled(const Booster& booster) {
  PickledBooster out;
  out.handle = old_snapshot(booster);
  out.feature_names = booster.feature_names();
  out.feature_types = booster.feature_types();
  out.booster = booster_name(booster);
  // xgb.train of those versions always sets both.
  // Attributes carry them since 1.3.
  out.best_iteration = integer_attribute(booster, "best_iteration").value_or(booster.boosted_rounds() - 1);
  out.best_ntree_limit = integer_attribute(booster, "best_ntree_limit").value_or(booster.boosted_rounds());
  return write_pickle(out);
}

/// True when the library has an objective of this name; it says so only once it configures a booster, for which it
/// needs a matrix with a column.
bool has_objective(const std::string& name) {
  try {
    const float one = 1;
    const Matrix matrix = Matrix::from_dense({&one, 1}, 1, 1, 1);
    const Matrix* const matrices[] = {&matrix};
    Booster probe(matrices);
    probe.set("objective", name);
    probe.set("num_class", name.starts_with("multi:") ? "2" : "0");
    probe.json_config();
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// @throws Error{kMalformed} for what the library would drop or misread without a word
void check_document(const ModelDocument& document) {
  const auto fail = [&](const std::string& problem) {
    throw Error(Kind::kMalformed, fmt::format("{} (XGBoost {} wrote it, {} loads it)", problem, document.version_text(),
                                              library_version()));
  };
  if (document.booster != "gbtree" && document.booster != "dart" && document.booster != "gblinear")
    fail(fmt::format("booster '{}' is none of gbtree, dart, gblinear", document.booster.substr(0, 80)));
  if (!has_objective(document.objective))
    fail(fmt::format("objective '{}' is not known to the library", document.objective.substr(0, 80)));
  // Trees whose leaves are vectors (multi_strategy=multi_output_tree): 1.7 reads the first number only.
  if (!document.size_leaf_vector.empty() && document.size_leaf_vector != "0" && document.size_leaf_vector != "1")
    fail(fmt::format("size_leaf_vector {}: leaves of several numbers cannot be read",
                     document.size_leaf_vector.substr(0, 80)));
}

/// The library before 3.1 reads one number and takes 0.5 for anything else: a list of equal numbers becomes one
/// number, different ones the rows' margins (kBaseMarginsAttribute).
void restore_base_score(Booster& booster, const ModelDocument& document) {
  const std::vector<float> scores = document.base_scores();
  if (!document.base_score.starts_with('[')) return;
  const bool equal = std::all_of(scores.begin(), scores.end(), [&](float score) { return score == scores[0]; });
  if (equal) return booster.set("base_score", fmt::format("{}", scores[0]));
  const Objective* objective = find_objective(document.objective);
  if (objective == nullptr || objective->link != Link::kIdentity)
    throw Error(
        Kind::kMalformed,
        fmt::format("base_score {} of version {} has different values for the outputs of objective {}, which "
                    "XGBoost {} cannot hold",
                    document.base_score.substr(0, 80), document.version_text(), document.objective, library_version()));
  if (std::to_string(scores.size()) != document.num_class && std::to_string(scores.size()) != document.num_target)
    throw Error(Kind::kMalformed, fmt::format("base_score has {} values, num_class is {} and num_target {}",
                                              scores.size(), document.num_class, document.num_target));
  booster.set_attribute(kBaseMarginsAttribute, fmt::format("{}", fmt::join(scores, ",")));
}

/// JSON or UBJSON. @param snapshot  {"Model": ..., "Config": ...}
Booster read_document(std::string_view bytes, bool snapshot) {
  const ModelDocument document = read_model_document(bytes);
  check_document(document);
  Booster out;
  try {
    snapshot ? out.unserialize(bytes) : out.load_from_buffer(bytes);
  } catch (const Error& error) {
    // The library's own words name its C++ functions: they go to the log only.
    std::fprintf(stderr, "libxgboost: %s\n", error.what());
    throw Error(Kind::kMalformed,
                fmt::format("a member of the model is missing, damaged or newer than XGBoost {} (XGBoost {} wrote it)",
                            library_version(), document.version_text()));
  }
  restore_base_score(out, document);
  return out;
}

/// The binary form of before 1.6, with or without its magic; nothing in it says that it is one.
Booster read_binary(std::string_view bytes) {
  Booster out;
  try {
    out.load_from_buffer(bytes);
  } catch (const Error& error) {
    std::fprintf(stderr, "libxgboost: %s\n", error.what());
    throw Error(Kind::kMalformed,
                "it is cut short, or none of the forms that XGBoost writes: JSON, UBJSON, binary, or a "
                "pickle of a Booster");
  }
  return out;
}

/// The binary form begins with base_score as a float32, which the library takes for the start of JSON when its first
/// byte is '{' and no magic comes before it.
Booster read_binary_model(std::string_view bytes) {
  return bytes.starts_with(kBinaryMagic) ? read_binary(bytes) : read_binary(std::string(kBinaryMagic) += bytes);
}

/// What starts with '{': JSON, UBJSON, or the binary form of a model with such a base_score.
Booster read_document_or_binary(std::string_view bytes, bool snapshot) {
  try {
    return read_document(bytes, snapshot);
  } catch (const Error&) {
    const bool printable_key =
        bytes.size() > 1 && (bytes[1] == '"' || bytes.substr(0, 64).find("learner") != bytes.npos);
    if (printable_key || snapshot) throw;
  }
  return read_binary_model(bytes);
}

/// The model inside a pickle's handle, whichever version wrote it.
Booster read_handle(std::string_view handle) {
  if (handle.starts_with(kConfigOffset)) {
    handle.remove_prefix(kConfigOffset.size());
    std::uint64_t size = 0;
    if (handle.size() < sizeof size) throw Error(Kind::kMalformed, "the snapshot is cut");
    std::memcpy(&size, handle.data(), sizeof size);
    handle.remove_prefix(sizeof size);
    if (size > handle.size()) throw Error(Kind::kMalformed, "the snapshot is cut");
    // The configuration behind the model is not read: the model holds all that prediction needs.
    return read_binary_model(handle.substr(0, size));
  }
  if (!is_model_document(handle)) return read_binary_model(handle);
  // Both forms are JSON objects; the first key, within a few bytes of the start, says which it is.
  // {"Model": ..., "Config": ...} in JSON or UBJSON, as against {"learner": ...}
  const std::string_view start = handle.substr(0, 64);
  return read_document_or_binary(handle, start.find("Model") != start.npos || start.find("Config") != start.npos);
}

/// Other files that people put in a model's place. @return "" when it may be a model
std::string foreign_form(std::string_view bytes) {
  struct Form {
    std::string_view start, what;
  };
  constexpr auto kForms = std::to_array<Form>({
      {"\x1f\x8b", "compressed by gzip"},
      {"BZh", "compressed by bzip2"},
      {"\xfd"
       "7zXZ",
       "compressed by xz"},
      {"\x78\x01", "compressed by zlib (joblib with compress)"},
      {"\x78\x5e", "compressed by zlib (joblib with compress)"},
      {"\x78\x9c", "compressed by zlib (joblib with compress)"},
      {"\x78\xda", "compressed by zlib (joblib with compress)"},
      {"\x04\x22\x4d\x18", "compressed by lz4"},
      {"PK\x03\x04", "a zip archive"},
      {"\x93NUMPY", "an array of numpy"},
      {"\x89HDF", "an HDF5 file"},
  });
  for (const auto& [start, what] : kForms)
    if (bytes.starts_with(start))
      return fmt::format("it is {}, not a model as Booster.save_model or pickle write it", what);
  if (bytes.starts_with('[')) return "it is a JSON list, as dump_model writes it; save_model writes models";
  const std::string_view head = bytes.substr(0, 64);
  if (std::all_of(head.begin(), head.end(), [](char c) { return (c >= ' ' && c <= '~') || (c >= '\t' && c <= '\r'); }))
    return "it is text (as dump_model writes it, perhaps); save_model writes models";
  return "";
}

Booster read_any(std::string_view bytes) {
  if (is_model_document(bytes)) return read_document_or_binary(bytes, false);
  if (!is_pickle(bytes)) {
    if (const std::string problem = foreign_form(bytes); !problem.empty()) throw Error(Kind::kMalformed, problem);
    return read_binary_model(bytes);
  }
  const PickledBooster pickle = parse_pickle(bytes);
  Booster out = read_handle(pickle.handle);
  // Before 1.3 these lived in Python's object only.
  // A wrong number of names would make every later call fail.
  const auto features = static_cast<std::size_t>(out.num_features());
  if (out.feature_names().empty() && pickle.feature_names.size() == features)
    out.set_feature_names(pickle.feature_names);
  if (out.feature_types().empty() && pickle.feature_types.size() == features)
    out.set_feature_types(pickle.feature_types);
  // Prediction stops at the best round by this attribute (serve/predictor.cpp).
  if (pickle.best_ntree_limit && !out.attribute("best_ntree_limit"))
    out.set_attribute("best_ntree_limit", std::to_string(*pickle.best_ntree_limit));
  return out;
}

}  // namespace

ModelFile model_file_of(Tag tag) {
  // For users whose other programs need a certain form, whatever the image's tag is.
  if (const char* asked = std::getenv(kEnvModelFormat); asked != nullptr && *asked != '\0') {
    const std::string_view word = asked;
    if (word == "pickle") return ModelFile::kPickle;
    if (word == "binary") return ModelFile::kBinary;
    if (word == "ubj") return ModelFile::kUbj;
    if (word == "json") return ModelFile::kJson;
    throw Error(Kind::kInvalid, fmt::format("{}: '{}' is none of pickle, binary, ubj, json", kEnvModelFormat, word));
  }
  // The default form of each version of the container.
  if (tag < Tag{1, 3}) return ModelFile::kPickle;
  return tag < Tag{2, 1} ? ModelFile::kBinary : ModelFile::kUbj;
}

std::string write_model(const Booster& booster, ModelFile form) {
  switch (form) {
    case ModelFile::kPickle:
      return pickled(booster);
    case ModelFile::kUbj:
      return booster.save_to_buffer(ModelFormat::kUbj);
    case ModelFile::kJson:
      return booster.save_to_buffer(ModelFormat::kJson);
    case ModelFile::kBinary:
      break;
  }
  return booster.save_to_buffer(ModelFormat::kDeprecated);
}

Booster read_model(std::string_view bytes) {
  if (bytes.empty()) throw Error(Kind::kMalformed, "the model file is empty");
  try {
    // The library's messages are kept, the kind is always kMalformed: the file is foreign.
    return read_any(bytes);
  } catch (const Error& error) {
    throw Error(Kind::kMalformed, error.what());
  }
}

}  // namespace clary::xgboost
