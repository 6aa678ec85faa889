// SPDX-License-Identifier: Apache-2.0
// See metadata.h.
#include "algorithms/knn/model/metadata.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <limits>
#include <utility>

#include "algorithms/knn/model/projection.h"
#include "base/error.h"
#include "base/json.h"

namespace clary::knn {
namespace {

constexpr const char* kVersion = "1.0";

/// Replaces the bare words True, False and None outside of strings.
std::string without_python_words(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kWords = {
      {{"True", "true"}, {"False", "false"}, {"None", "null"}}};
  std::string out;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size();) {
    bool replaced = false;
    for (const auto& [python, json] : kWords) {
      if (quoted || text.substr(i, python.size()) != python) continue;
      out += json;
      i += python.size();
      replaced = true;
      break;
    }
    if (replaced) continue;
    if (quoted && text[i] == '\\' && i + 1 < text.size()) {  // an escaped character ends nothing
      out += text.substr(i, 2);
      i += 2;
      continue;
    }
    if (text[i] == '"') quoted = !quoted;
    out += text[i++];
  }
  return out;
}

class Object {
 public:
  Object(const Json& json, std::string name) : json_(json), name_(std::move(name)) {
    if (!json.is_object()) throw Error(Kind::kMalformed, name_ + ": must be a JSON object");
  }

  [[noreturn]] void fail(const char* key, const std::string& rule) const {
    const std::string value = json_.contains(key) ? dump_json(json_.at(key)) : "missing";
    throw Error(Kind::kMalformed, fmt::format("{}: {}: {}: must be {}", name_, key, value.substr(0, 100), rule));
  }
  const Json* find(const char* key) const {
    const auto it = json_.find(key);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
  }
  std::int64_t integer(const char* key, std::int64_t low, std::int64_t high,
                       std::optional<std::int64_t> fallback) const {
    const Json* value = find(key);
    if (value == nullptr && fallback) return *fallback;
    const std::string rule = fmt::format("an integer from {} to {}", low, high);
    // Exact, since 2^63 as a double is not above the largest seed as a double; 5.0 is what some editors leave behind.
    const std::optional<std::int64_t> whole = value == nullptr ? std::nullopt : exact_integer(*value);
    if (!whole || *whole < low || *whole > high) fail(key, rule);
    return *whole;
  }
  std::string text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || !value->is_string()) fail(key, "a text");
    return value->get<std::string>();
  }
  bool boolean(const char* key, bool fallback) const {
    const Json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) fail(key, "true or false");
    return value->get<bool>();
  }

 private:
  const Json& json_;
  std::string name_;
};

ReductionMetadata parse_reduction(const Json& json, const std::string& name) {
  const Object in(json, name + ": dimension_reduction");
  ReductionMetadata out;
  const std::string type = in.text("type");
  if (type != "sign" && type != "fjlt") in.fail("type", "sign or fjlt");
  out.type = type == "sign" ? Reduction::kSign : Reduction::kFjlt;
  // AWS's generator is not published: a projection drawn by another one would give wrong neighbours without a word.
  if (in.find("rng") == nullptr || in.text("rng") != Projection::kGenerator) {
    in.fail("rng",
            fmt::format("{}: this archive's random projection was drawn by another program and cannot be rebuilt",
                        Projection::kGenerator));
  }
  constexpr std::int64_t kMaxSeed = std::numeric_limits<std::int64_t>::max();
  out.seed = static_cast<std::uint64_t>(in.integer("seed", 0, kMaxSeed, std::nullopt));
  out.target_dim = in.integer("target_dim", 1, Projection::kMaxWidth, std::nullopt);
  out.input_dim = in.integer("input_dim", 1, Projection::kMaxWidth, std::nullopt);
  return out;
}

}  // namespace

std::string to_json(const Metadata& metadata) {
  Json out = {{"k", metadata.k},
              {"predictor_type", metadata.predictor_type == Task::kClassifier ? "classifier" : "regressor"},
              {"dimension_reduction", nullptr},
              {"normalize", metadata.normalize},
              {"version", kVersion},
              {"feature_dim", metadata.feature_dim}};
  if (metadata.reduction) {
    out["dimension_reduction"] = {{"type", metadata.reduction->type == Reduction::kSign ? "sign" : "fjlt"},
                                  {"seed", metadata.reduction->seed},
                                  {"target_dim", metadata.reduction->target_dim},
                                  {"input_dim", metadata.reduction->input_dim},
                                  {"rng", Projection::kGenerator}};
  }
  return out.dump(2) + "\n";
}

Metadata parse_metadata(std::string_view text, const std::string& name) {
  Json json;
  try {
    json = parse_json(without_python_words(text));
  } catch (const Error& error) {
    throw Error(Kind::kMalformed, name + ": " + error.what());
  }
  const Object in(json, name);
  Metadata out;
  out.k = in.integer("k", 1, std::numeric_limits<std::int32_t>::max(), std::nullopt);
  const std::string task = in.text("predictor_type");
  if (task != "classifier" && task != "regressor" && task != "regression") {
    in.fail("predictor_type", "classifier or regressor");
  }
  out.predictor_type = task == "classifier" ? Task::kClassifier : Task::kRegressor;
  if (const Json* reduction = in.find("dimension_reduction")) out.reduction = parse_reduction(*reduction, name);
  out.normalize = in.boolean("normalize", false);
  out.feature_dim = in.integer("feature_dim", 0, Projection::kMaxWidth, 0);
  return out;
}

}  // namespace clary::knn
