// SPDX-License-Identifier: Apache-2.0
// JSON is scanned by hand: XGBoost writes NaN and Infinity as bare words, which no JSON library takes, and most of a
// file are numbers that are passed over here. UBJSON goes through nlohmann's SAX parser. Both report to Collector.
#include "algorithms/xgboost/model/model_document.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"

namespace clary::xgboost {
namespace {

constexpr std::size_t kMaxDepth = 64;      // a model has 8 levels
constexpr std::size_t kShownBytes = 80;    // of a value in a message
constexpr std::size_t kMaxText = 1 << 20;  // of a value that is kept: a base_score of 100,000 classes

[[noreturn]] void fail_at(std::size_t byte, const char* problem) {
  throw Error(Kind::kMalformed, fmt::format("{} at byte {}", problem, byte));
}

/// Follows the path of keys through the document and keeps the few values that ModelDocument names.
class Collector : public nlohmann::json_sax<nlohmann::json> {
 public:
  /// @param bytes  size of the document: no more values than that are taken, since UBJSON can announce any number of
  ///   values that take no byte
  explicit Collector(std::size_t bytes) : values_left_(bytes) {}

  bool key(string_t& name) override {
    if (name.size() > kMaxText) return false;
    path_.back() = std::move(name);
    return true;
  }
  bool string(string_t& value) override { return text(value); }
  bool number_integer(number_integer_t value) override { return number(value); }
  bool number_unsigned(number_unsigned_t value) override { return number(static_cast<std::int64_t>(value)); }
  bool number_float(number_float_t, const string_t&) override { return count(); }
  bool null() override { return count(); }
  bool boolean(bool) override { return count(); }
  bool binary(binary_t&) override { return count(); }
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return path_.pop_back(), true; }
  bool end_array() override { return path_.pop_back(), true; }
  bool parse_error(std::size_t byte, const std::string&, const nlohmann::detail::exception&) override {
    fail_at(byte, "its UBJSON is cut short or damaged");
  }

  bool text(std::string_view value) {
    if (path_.size() <= 5)
      if (std::string* member = member_of(path())) member->assign(value.substr(0, kMaxText));
    return count();
  }
  bool number(std::int64_t value) {
    if (path_.size() <= 3 && path() == "version/" && out_.version.size() < 3 && value >= 0 && value < 1'000'000)
      out_.version.push_back(static_cast<int>(value));
    return count();
  }

  ModelDocument take() { return std::move(out_); }

 private:
  bool count() { return values_left_-- > 0; }
  bool open() {
    if (path_.size() >= kMaxDepth) throw Error(Kind::kMalformed, "it is nested deeper than a model is");
    if (path_.size() <= 5 && !out_.has_model) {
      const std::string at = path();
      out_.has_model = at == "learner/gradient_booster/model" || at == "learner/gradient_booster/gbtree/model";  // dart
    }
    path_.emplace_back();
    return count();
  }
  /// "learner/objective/name"; an array's elements have an empty last part. The model of a snapshot counts as its root.
  std::string path() const {
    std::string out;
    for (std::size_t i = path_.size() > 1 && path_[0] == "Model" ? 1 : 0; i < path_.size(); ++i)
      out += (out.empty() ? "" : "/") + path_[i];
    return out;
  }
  std::string* member_of(const std::string& path) {
    if (path == "learner/learner_model_param/base_score") return &out_.base_score;
    if (path == "learner/learner_model_param/num_class") return &out_.num_class;
    if (path == "learner/learner_model_param/num_target") return &out_.num_target;
    if (path == "learner/objective/name") return &out_.objective;
    if (path == "learner/gradient_booster/name") return &out_.booster;
    if (path == "learner/gradient_booster/model/gbtree_model_param/size_leaf_vector") return &out_.size_leaf_vector;
    return nullptr;
  }

  ModelDocument out_;
  std::vector<std::string> path_;  // the key in each open object; "" in arrays
  std::size_t values_left_;
};

/// JSON's structure: keys, texts and whole numbers go to the collector, other scalars are passed over unread.
class JsonScanner {
 public:
  JsonScanner(std::string_view text, Collector& to) : text_(text), to_(to) {}

  void scan() {
    std::vector<bool> objects;  // for each open bracket: is it an object's?
    do {
      const char c = next();
      if (c == '{' || c == '[') {
        to_.start_object(0);
        objects.push_back(c == '{');
        key_next_ = c == '{';
      } else if (c == '}' || c == ']') {
        if (objects.empty() || objects.back() != (c == '}')) fail_at(at_, "its JSON is damaged");
        to_.end_object();
        objects.pop_back();
      } else if (c == '"') {
        take_string(!objects.empty() && objects.back() && key_next_);
      } else if (c == ',') {
        key_next_ = !objects.empty() && objects.back();
      } else if (c != ':') {
        take_word();
      }
    } while (!objects.empty());
  }

 private:
  char next() {
    at_ = text_.find_first_not_of(" \t\r\n", at_);
    if (at_ == std::string_view::npos) fail_at(text_.size(), "its JSON ends early, as after an incomplete copy,");
    return text_[at_++];
  }
  void take_string(bool is_key) {
    const std::size_t begin = at_;
    do {
      at_ = text_.find_first_of("\"\\", at_);
      if (at_ == std::string_view::npos) fail_at(text_.size(), "its JSON ends early, as after an incomplete copy,");
      if (text_[at_] == '\\') at_ = std::min(at_ + 2, text_.size());
    } while (at_ < text_.size() && text_[at_] != '"');
    if (at_ >= text_.size()) fail_at(text_.size(), "its JSON ends early, as after an incomplete copy,");
    std::string value(text_.substr(begin, at_++ - begin));  // escapes stay: no key or value of interest has any
    key_next_ = false;
    if (is_key ? !to_.key(value) : !to_.text(value)) fail_at(begin, "its JSON has a text that is too long");
  }
  void take_word() {
    const std::size_t begin = at_ - 1;
    at_ = std::min(text_.find_first_of(" \t\r\n,]}", begin), text_.size());
    const std::string_view word = text_.substr(begin, at_ - begin);
    if (word.find_first_not_of("+-.0123456789eEINFTNafinltruesy") != std::string_view::npos)
      fail_at(begin, "its JSON is damaged");
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error == std::errc() && end == word.data() + word.size()) to_.number(value);
  }

  std::string_view text_;
  Collector& to_;
  std::size_t at_ = 0;
  bool key_next_ = false;
};

bool is_json(std::string_view bytes) {
  const std::size_t second = bytes.find_first_not_of(" \t\r\n", 1);
  return second != std::string_view::npos && (bytes[second] == '"' || bytes[second] == '}');
}

}  // namespace

std::string ModelDocument::version_text() const {
  return version.empty() ? "an unknown version" : fmt::format("{}", fmt::join(version, "."));
}

std::vector<float> ModelDocument::base_scores() const {
  const auto fail = [&] {
    throw Error(Kind::kMalformed, fmt::format("base_score '{}' is neither a number nor a list of numbers",
                                              base_score.substr(0, kShownBytes)));
  };
  std::string_view list = trimmed(base_score);
  if (list.starts_with('[') && list.ends_with(']')) list = list.substr(1, list.size() - 2);
  std::vector<float> out;
  for (const std::string_view part : split(list, ',')) {
    const std::string_view word = trimmed(part);
    float value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(value)) fail();
    out.push_back(value);
  }
  return out;
}

bool is_model_document(std::string_view bytes) { return bytes.starts_with('{'); }

ModelDocument read_model_document(std::string_view bytes) {
  Collector collector(bytes.size());
  if (is_json(bytes)) {
    JsonScanner(bytes, collector).scan();
  } else if (!nlohmann::json::sax_parse(bytes, &collector, nlohmann::json::input_format_t::ubjson, /*strict=*/false)) {
    throw Error(Kind::kMalformed, "its UBJSON has more values than bytes, or a key that is too long");
  }
  ModelDocument out = collector.take();
  if (!out.has_model || out.base_score.empty() || out.objective.empty())
    throw Error(Kind::kMalformed,
                fmt::format("it is no model but other {}: {} is missing (Booster.save_model writes it; save_config and "
                            "dump_model do not)",
                            is_json(bytes) ? "JSON" : "UBJSON",
                            !out.has_model           ? "learner.gradient_booster.model"
                            : out.base_score.empty() ? "learner.learner_model_param.base_score"
                                                     : "learner.objective.name"));
  return out;
}

}  // namespace clary::xgboost
