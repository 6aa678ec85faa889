// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/model/model_file.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

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
  if (model.starts_with(kBinaryMagic)) model.erase(0, kBinaryMagic.size());
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

/// The model inside a pickle's handle, whichever version wrote it.
Booster read_handle(std::string_view handle) {
  Booster out;
  if (handle.starts_with(kConfigOffset)) {
    handle.remove_prefix(kConfigOffset.size());
    std::uint64_t size = 0;
    if (handle.size() < sizeof size) throw Error(Kind::kMalformed, "the snapshot is cut");
    std::memcpy(&size, handle.data(), sizeof size);
    handle.remove_prefix(sizeof size);
    if (size > handle.size()) throw Error(Kind::kMalformed, "the snapshot is cut");
    // The configuration behind the model is not read: the model holds all that prediction needs.
    out.load_from_buffer(handle.substr(0, size));
    return out;
  }
  // Both forms are JSON objects; the first key, within a few bytes of the start, says which it is.
  // {"Model": ..., "Config": ...} in JSON or UBJSON, as against {"learner": ...}
  const std::string_view start = handle.substr(0, 64);
  if (handle.starts_with('{') && (start.find("Model") != start.npos || start.find("Config") != start.npos))
    out.unserialize(handle);
  else
    out.load_from_buffer(handle);
  return out;
}

Booster read_any(std::string_view bytes) {
  if (!is_pickle(bytes)) {
    Booster out;
    out.load_from_buffer(bytes);
    return out;
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
