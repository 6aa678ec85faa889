// SPDX-License-Identifier: Apache-2.0
// libxgboost's C API as objects: owned handles, exceptions instead of return codes, spans instead of pointers. Nothing
// else in this folder includes the C header. Every failing call throws Error with the library's message, without its
// source position and stack trace: Kind::kInvalid for what the user can mend (the fragments of the container's table),
// Kind::kInternal otherwise. A Matrix or Booster belongs to one thread at a time, unless a function says otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clary::xgboost {

/// What a message of the library becomes: cut after its first part ("[12:00:00] src/x.cc:1: " before it and "Stack
/// trace:" after it are dropped).
std::string library_message(std::string_view text);
/// True when the container blames the user for this message ("label must be in [0,1] for logistic regression", ...).
bool is_user_fault(std::string_view message);

/// A matrix's rows as they were given: offsets [N + 1], columns and values [non-missing].
struct Csr {
  std::vector<std::int64_t> offsets;
  std::vector<std::int32_t> columns;
  std::vector<float> values;
};

/// Rows, with what belongs to rows. N rows, D columns.
class Matrix {
 public:
  Matrix() = default;
  /// @param values  [N, D] row-major; NaN is missing. Copied.
  static Matrix from_dense(std::span<const float> values, std::int64_t rows, std::int64_t columns, int threads);
  /// CSR. @param offsets  [N + 1]; an absent column is missing. Copied.
  static Matrix from_csr(std::span<const std::int64_t> offsets, std::span<const std::int32_t> columns,
                         std::span<const float> values, std::int64_t width, int threads);
  /// What save_binary wrote, from a file or a pipe.
  static Matrix from_file(const std::string& path);
  void save_binary(const std::string& path) const;
  Matrix(Matrix&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Matrix& operator=(Matrix&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Matrix();

  std::int64_t rows() const;
  std::int64_t columns() const;
  std::int64_t non_missing() const;

  /// `field`: label, weight, base_margin, label_lower_bound, label_upper_bound, feature_weights.
  void set_floats(const char* field, std::span<const float> values);
  std::vector<float> floats(const char* field) const;
  void set_labels(std::span<const float> labels) { set_floats("label", labels); }
  void set_weights(std::span<const float> weights) { set_floats("weight", weights); }
  std::vector<float> labels() const { return floats("label"); }
  std::vector<float> weights() const { return floats("weight"); }
  /// Sizes of the query groups, in row order.
  void set_groups(std::span<const std::uint32_t> sizes);
  /// Empty without groups.
  std::vector<std::uint32_t> groups() const;
  void set_feature_names(const std::vector<std::string>& names) { set_texts("feature_name", names); }
  /// "float", "int", "i", "q" or "c" (categorical) per column.
  void set_feature_types(const std::vector<std::string>& types) { set_texts("feature_type", types); }
  std::vector<std::string> feature_names() const { return texts("feature_name"); }
  std::vector<std::string> feature_types() const { return texts("feature_type"); }

  /// The rows of `indices`, in that order.
  Matrix slice(std::span<const int> indices) const;
  Csr csr() const;

  void* handle() const noexcept { return handle_; }
  explicit operator bool() const noexcept { return handle_ != nullptr; }

 private:
  explicit Matrix(void* handle) : handle_(handle) {}
  void set_texts(const char* field, const std::vector<std::string>& texts);
  std::vector<std::string> texts(const char* field) const;

  void* handle_ = nullptr;
};

enum class PredictType { kValue = 0, kMargin = 1, kContributions = 2, kLeaf = 6 };

struct PredictOptions {
  PredictType type = PredictType::kValue;
  int iteration_begin = 0;
  int iteration_end = 0;                  // 0: all
  bool training = false;                  // as inside the training loop (dart drops trees)
  std::span<const float> base_margins{};  // [N, groups] in place of base_score; in-place prediction only
};

struct LibraryPrediction {
  std::vector<float> values;
  std::vector<std::int64_t> shape;
};

enum class ModelFormat { kDeprecated, kJson, kUbj };

class Booster {
 public:
  Booster() : Booster(std::span<const Matrix* const>()) {}
  /// @param matrices  that will be trained on and evaluated: their predictions are cached
  explicit Booster(std::span<const Matrix* const> matrices);
  Booster(Booster&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Booster& operator=(Booster&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Booster();

  void set(const std::string& name, const std::string& value);

  /// One round of boosting. @throws Error "XGB train call failed with exception:\n <message>" unless the user's fault
  void update(int round, const Matrix& train);
  void boost(const Matrix& train, std::span<float> gradients, std::span<float> hessians);
  /// The library's line, "[0]\ttrain-rmse:8.07339000701904297": full precision, to be printed as the tag wants it.
  std::string evaluate(int round, std::span<const Matrix* const> matrices, const std::vector<std::string>& names);

  LibraryPrediction predict(const Matrix& rows, const PredictOptions& options = {}) const;

  /// In place, without a Matrix: kValue and kMargin of trees. May be called by many threads at once after one call
  /// has returned; the parameter nthread is then best 1.
  /// @param values  [N, num_features()]; NaN is missing
  LibraryPrediction predict_dense(std::span<const float> values, std::int64_t rows,
                                  const PredictOptions& options) const;
  /// CSR; columns are below num_features(), what is absent is missing.
  LibraryPrediction predict_csr(std::span<const std::int64_t> offsets, std::span<const std::int32_t> columns,
                                std::span<const float> values, const PredictOptions& options) const;

  std::string save_to_buffer(ModelFormat format) const;
  /// JSON, UBJSON or the legacy binary, with or without "binf"; not a pickle.
  void load_from_buffer(std::string_view bytes);
  /// Model and configuration: what a pickle of Python's Booster holds since 1.6.
  std::string serialize() const;
  void unserialize(std::string_view bytes);
  std::string json_config() const;
  void load_json_config(const std::string& json);

  std::optional<std::string> attribute(const std::string& name) const;
  void set_attribute(const std::string& name, const std::string& value);
  std::vector<std::string> attribute_names() const;
  void set_feature_names(const std::vector<std::string>& names) { set_texts("feature_name", names); }
  void set_feature_types(const std::vector<std::string>& types) { set_texts("feature_type", types); }
  std::vector<std::string> feature_names() const { return texts("feature_name"); }
  std::vector<std::string> feature_types() const { return texts("feature_type"); }

  /// The rounds [begin, end) as a model of their own.
  Booster slice(int begin, int end) const;
  int boosted_rounds() const;
  std::int64_t num_features() const;

  void* handle() const noexcept { return handle_; }

 private:
  void set_texts(const char* field, const std::vector<std::string>& texts);
  std::vector<std::string> texts(const char* field) const;

  void* handle_ = nullptr;
};

/// The library's own lines (warnings, "DANGER AHEAD...") that this thread causes go to `sink`, without a newline; they
/// go to standard output when it is empty.
void on_log(std::function<void(std::string_view)> sink);

/// Threads that the library takes for the sketches and pages of a matrix which does not say how many (from_file).
int default_threads();

/// "1.7.4"
std::string library_version();

/// XGBSetGlobalConfig: {"verbosity": 1}.
void set_verbosity(int verbosity);

/// True while a Communicator of several members lives.
bool is_distributed();

/// Membership in the library's collective, while the object lives. One per process.
class Communicator {
 public:
  /// @param config  JSON: {"xgboost_communicator": "rabit", "rabit_tracker_uri": ..., ...}
  explicit Communicator(const std::string& config);
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const;
  int world_size() const;
  bool is_distributed() const;
  /// Sums over the members, in place. A collective call.
  void all_reduce_sum(std::span<double> values);
  void all_reduce_max(std::span<double> values);
  /// Every member then holds root's text. A collective call.
  void broadcast(std::string& text, int root);
};

}  // namespace clary::xgboost
