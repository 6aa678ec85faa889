// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/library/library.h"

#include <fmt/format.h>
#include <omp.h>
#include <xgboost/c_api.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace clary::xgboost {
namespace {

/// What a request or its data can cause; everything else is the algorithm's error. The first ten are the container's
/// table, whose texts older versions of the library print. library_test makes the library of this build print the rest.
struct UserFault {
  std::string_view fragment;
  std::string_view sentence = {};  // in place of a text that only its source explains
};
constexpr auto kUserFaults = std::to_array<UserFault>({
    {"label must be in [0,1] for logistic regression"},
    {"label must be in [0, num_class)"},
    {"Target is multiclass but average='binary'"},
    {"feature_names mismatch"},
    {"Check failed: preds.size() == info.labels_.size()"},
    {"Check failed: !auc_error AUC: the dataset only contains pos or neg samples"},
    {"base_score must be in (0,1) for logistic loss"},
    {"PoissonRegression: label must be nonnegative"},
    {"TweedieRegression: label must be nonnegative"},
    {"Parameter reg_lambda should be greater equal to 0"},
    {"GammaRegression: label must be positive"},
    {"label must be greater than -1 for rmsle"},
    {"Invalid shape of labels",
     "the objective predicts another number of values a row than there are labels (num_class "
     "belongs to multi:softmax and multi:softprob)"},
    {"label and prediction size not match",
     "an eval_metric needs one prediction a row, but the objective predicts one for each class; use merror or "
     "mlogloss"},
    {"label size predict size not match",
     "an eval_metric needs one prediction a row, but the objective predicts one for each class; use merror or "
     "mlogloss"},
    {"preds.Size() == info.labels_lower_bound_.Size()",
     "an eval_metric of survival:aft was given for another objective"},
    {"auc <= local_area", "aucpr: the labels are not of two classes, or all of one"},
    {"exact tree method doesn't support unlimited depth",
     "max_depth 0 (no limit) needs tree_method hist or approx, not exact (which auto chooses on one instance)"},
    {"doesn't support distributed training"},
    {"should be greater equal to"},
    {"should be smaller equal to"},
    {"exceed bound"},
    {"Invalid Parameter format for"},
    {"No more tree left for updating", "process_type update needs an existing model with as many rounds as num_round"},
    {"can not be used to create new trees",
     "updater refresh and prune alone grow no trees; they need process_type update"},
    {"Unknown tree updater"},
    {"Unknown linear updater"},
});

const UserFault* user_fault(std::string_view message) {
  // Fragments, as the library puts values and positions around them.
  const auto found = std::find_if(kUserFaults.begin(), kUserFaults.end(), [&](const UserFault& fault) {
    return message.find(fault.fragment) != std::string_view::npos;
  });
  return found == kUserFaults.end() ? nullptr : &*found;
}

/// The first line: others list candidates or the fields of a class.
std::string_view first_line(std::string_view message) { return message.substr(0, message.find('\n')); }

/// @throws Error{kInvalid} in the user's words when the message is the user's fault
void throw_user_fault(std::string_view message) {
  const UserFault* fault = user_fault(message);
  if (fault == nullptr) return;
  throw Error(Kind::kInvalid, std::string(fault->sentence.empty() ? first_line(message) : fault->sentence));
}

/// Numbers of xgboost/collective's enumerations, which the C header only names.
enum CollectiveType { kDouble = 7 };
enum CollectiveOperation { kMax = 0, kSum = 2 };

// XGBGetLastError() is thread-local in the library: it is read on the thread whose call failed.
void check(int code) {
  if (code == 0) return;
  const std::string message = library_message(XGBGetLastError());
  throw_user_fault(message);
  throw Error(Kind::kInternal, message);
}

/// The same for calls that train: what is not the user's fault says that it came from there.
void check_training(int code) {
  if (code == 0) return;
  const std::string message = library_message(XGBGetLastError());
  throw_user_fault(message);
  throw Error(Kind::kInternal, "XGB train call failed with exception:\n " + message);
}

/// numpy's array interface, which the library takes instead of a pointer and a length.
std::string array_interface(const void* data, std::string_view type, std::string_view shape) {
  return fmt::format(R"({{"data": [{}, true], "shape": [{}], "typestr": "{}", "version": 3}})",
                     reinterpret_cast<std::uintptr_t>(data), shape, type);
}

// The descriptor is text: the address of the values as a number. The values must live until the call returns.
template <class T>
std::string array_interface(std::span<const T> values, std::string_view type) {
  static const T nothing{};  // the library refuses a null pointer, also for no elements
  return array_interface(values.empty() ? &nothing : values.data(), type, std::to_string(values.size()));
}

std::string matrix_config(int threads) { return fmt::format(R"({{"missing": NaN, "nthread": {}}})", threads); }

std::vector<const char*> pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> out;
  for (const std::string& text : texts) out.push_back(text.c_str());
  return out;
}

// Results of the library belong to it and are overwritten by the next call: everything is copied at once.
std::vector<std::string> copied(const char** texts, bst_ulong count) { return {texts, texts + count}; }

std::string in_place_config(const PredictOptions& options) {
  return fmt::format(R"({{"type": {}, "training": false, "iteration_begin": {}, "iteration_end": {}, "missing": NaN, )"
                     R"("strict_shape": false, "cache_id": 0}})",
                     static_cast<int>(options.type), options.iteration_begin, options.iteration_end);
}

/// The rows' margins for a prediction in place, which takes them in a matrix without rows of its own.
class MarginProxy {
 public:
  /// @param margins  [N, groups], outlives this; empty: no proxy
  MarginProxy(std::span<const float> margins, std::int64_t rows) {
    if (margins.empty() || rows == 0) return;
    check(XGProxyDMatrixCreate(&handle_));
    const auto shape = fmt::format("{}, {}", rows, static_cast<std::int64_t>(margins.size()) / rows);
    const int code =
        XGDMatrixSetInfoFromInterface(handle_, "base_margin", array_interface(margins.data(), "<f4", shape).c_str());
    if (code != 0) XGDMatrixFree(handle_);  // no destructor runs after the throw
    check(code);
  }
  ~MarginProxy() {
    if (handle_ != nullptr) XGDMatrixFree(handle_);
  }
  MarginProxy(const MarginProxy&) = delete;
  MarginProxy& operator=(const MarginProxy&) = delete;
  DMatrixHandle handle() const noexcept { return handle_; }

 private:
  DMatrixHandle handle_ = nullptr;
};

LibraryPrediction copied_prediction(const bst_ulong* shape, bst_ulong dimensions, const float* values) {
  LibraryPrediction out;
  bst_ulong count = 1;
  for (bst_ulong d = 0; d < dimensions; ++d) {
    out.shape.push_back(static_cast<std::int64_t>(shape[d]));
    count *= shape[d];
  }
  out.values.assign(values, values + count);
  return out;
}

const char* name_of(ModelFormat format) {
  switch (format) {
    case ModelFormat::kJson:
      return R"({"format": "json"})";
    case ModelFormat::kUbj:
      return R"({"format": "ubj"})";
    // "deprecated" is the binary form of 1.x, which XGBoost 1.7 still writes.
    case ModelFormat::kDeprecated:
      break;
  }
  return R"({"format": "deprecated"})";
}

// Thread-local, as the library's own callback registration is.
std::function<void(std::string_view)>& log_sink() {
  thread_local std::function<void(std::string_view)> sink;
  return sink;
}

extern "C" void write_log(const char* text) {
  std::string_view line = text;
  while (line.ends_with('\n')) line.remove_suffix(1);
  if (const auto& sink = log_sink()) {
    sink(line);
  } else {
    // At the default, where the library itself would print: standard output, which the log collects.
    std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
    std::fflush(stdout);
  }
}

}  // namespace

std::string library_message(std::string_view text) {
  // The stack trace follows the message after this line.
  text = text.substr(0, text.find("\nStack trace:"));
  // "[14:42:21] ./src/objective/regression_obj.cu:148: ": a time in brackets, a path, a line number.
  // A stack trace and the position in the source are of no use to a user.
  if (text.size() > 11 && text[0] == '[' && text[9] == ']') {
    const std::size_t path = text.find(' ');
    const std::size_t end = text.find(": ", path + 1);
    const std::string_view position = end == std::string_view::npos ? "" : text.substr(path, end - path);
    if (position.find('\n') == std::string_view::npos && position.rfind(':') != std::string_view::npos)
      text.remove_prefix(end + 2);
  }
  while (text.ends_with('\n')) text.remove_suffix(1);
  return std::string(text);
}

bool is_user_fault(std::string_view message) { return user_fault(message) != nullptr; }

Matrix Matrix::from_dense(std::span<const float> values, std::int64_t rows, std::int64_t columns, int threads) {
  if (static_cast<std::int64_t>(values.size()) != rows * columns)
    throw Error(Kind::kInternal, "Matrix::from_dense: the shape does not fit the values");
  static const float nothing = 0;
  DMatrixHandle handle = nullptr;
  check(XGDMatrixCreateFromDense(
      array_interface(values.empty() ? &nothing : values.data(), "<f4", fmt::format("{}, {}", rows, columns)).c_str(),
      matrix_config(threads).c_str(), &handle));
  return Matrix(handle);
}

Matrix Matrix::from_csr(std::span<const std::int64_t> offsets, std::span<const std::int32_t> columns,
                        std::span<const float> values, std::int64_t width, int threads) {
  DMatrixHandle handle = nullptr;
  check(XGDMatrixCreateFromCSR(array_interface(offsets, "<i8").c_str(), array_interface(columns, "<i4").c_str(),
                               array_interface(values, "<f4").c_str(), static_cast<bst_ulong>(width),
                               matrix_config(threads).c_str(), &handle));
  return Matrix(handle);
}

Matrix Matrix::from_file(const std::string& path) {
  DMatrixHandle handle = nullptr;
  check(XGDMatrixCreateFromFile(path.c_str(), /*silent=*/1, &handle));
  return Matrix(handle);
}

void Matrix::save_binary(const std::string& path) const {
  check(XGDMatrixSaveBinary(handle_, path.c_str(), /*silent=*/1));
}

Matrix::~Matrix() {
  if (handle_ != nullptr) XGDMatrixFree(handle_);
}

std::int64_t Matrix::rows() const {
  bst_ulong out = 0;
  check(XGDMatrixNumRow(handle_, &out));
  return static_cast<std::int64_t>(out);
}

std::int64_t Matrix::columns() const {
  bst_ulong out = 0;
  check(XGDMatrixNumCol(handle_, &out));
  return static_cast<std::int64_t>(out);
}

std::int64_t Matrix::non_missing() const {
  bst_ulong out = 0;
  check(XGDMatrixNumNonMissing(handle_, &out));
  return static_cast<std::int64_t>(out);
}

void Matrix::set_floats(const char* field, std::span<const float> values) {
  check(XGDMatrixSetFloatInfo(handle_, field, values.data(), values.size()));
}

std::vector<float> Matrix::floats(const char* field) const {
  bst_ulong size = 0;
  const float* values = nullptr;
  check(XGDMatrixGetFloatInfo(handle_, field, &size, &values));
  return {values, values + size};
}

// Sizes go in, bounds come out ("group_ptr").
void Matrix::set_groups(std::span<const std::uint32_t> sizes) {
  check(XGDMatrixSetUIntInfo(handle_, "group", sizes.data(), sizes.size()));
}

std::vector<std::uint32_t> Matrix::groups() const {
  bst_ulong size = 0;
  const unsigned* bounds = nullptr;
  check(XGDMatrixGetUIntInfo(handle_, "group_ptr", &size, &bounds));
  std::vector<std::uint32_t> out;
  for (bst_ulong g = 1; g < size; ++g) out.push_back(bounds[g] - bounds[g - 1]);
  return out;
}

void Matrix::set_texts(const char* field, const std::vector<std::string>& texts) {
  auto list = pointers(texts);
  check(XGDMatrixSetStrFeatureInfo(handle_, field, list.data(), list.size()));
}

std::vector<std::string> Matrix::texts(const char* field) const {
  bst_ulong count = 0;
  const char** out = nullptr;
  check(XGDMatrixGetStrFeatureInfo(handle_, field, &count, &out));
  return copied(out, count);
}

Matrix Matrix::slice(std::span<const int> indices) const {
  DMatrixHandle out = nullptr;
  // allow_groups 0: ranking data cannot be cut between the rows of a query.
  check(XGDMatrixSliceDMatrixEx(handle_, indices.data(), indices.size(), &out, /*allow_groups=*/0));
  return Matrix(out);
}

Csr Matrix::csr() const {
  const auto entries = static_cast<std::size_t>(non_missing());
  std::vector<bst_ulong> offsets(static_cast<std::size_t>(rows()) + 1);
  std::vector<unsigned> columns(entries);
  Csr out;
  out.values.resize(entries);
  check(XGDMatrixGetDataAsCSR(handle_, "{}", offsets.data(), columns.data(), out.values.data()));
  out.offsets.assign(offsets.begin(), offsets.end());
  out.columns.assign(columns.begin(), columns.end());
  return out;
}

Booster::Booster(std::span<const Matrix* const> matrices) {
  std::vector<DMatrixHandle> handles;
  for (const Matrix* matrix : matrices) handles.push_back(matrix->handle());
  check_training(XGBoosterCreate(handles.data(), handles.size(), &handle_));
}

Booster::~Booster() {
  if (handle_ != nullptr) XGBoosterFree(handle_);
}

void Booster::set(const std::string& name, const std::string& value) {
  check_training(XGBoosterSetParam(handle_, name.c_str(), value.c_str()));
}

void Booster::update(int round, const Matrix& train) {
  check_training(XGBoosterUpdateOneIter(handle_, round, train.handle()));
}

void Booster::boost(const Matrix& train, std::span<float> gradients, std::span<float> hessians) {
  if (gradients.size() != hessians.size()) throw Error(Kind::kInternal, "Booster::boost: sizes differ");
  check_training(XGBoosterBoostOneIter(handle_, train.handle(), gradients.data(), hessians.data(), gradients.size()));
}

std::string Booster::evaluate(int round, std::span<const Matrix* const> matrices,
                              const std::vector<std::string>& names) {
  if (matrices.size() != names.size()) throw Error(Kind::kInternal, "Booster::evaluate: sizes differ");
  std::vector<DMatrixHandle> handles;
  for (const Matrix* matrix : matrices) handles.push_back(matrix->handle());
  auto words = pointers(names);
  const char* out = nullptr;
  check_training(XGBoosterEvalOneIter(handle_, round, handles.data(), words.data(), handles.size(), &out));
  return out;
}

LibraryPrediction Booster::predict(const Matrix& rows, const PredictOptions& options) const {
  // training: true would drop trees under dart.
  const std::string config = fmt::format(
      R"({{"type": {}, "training": {}, "iteration_begin": {}, "iteration_end": {}, "strict_shape": false}})",
      static_cast<int>(options.type), options.training, options.iteration_begin, options.iteration_end);
  const bst_ulong* shape = nullptr;
  bst_ulong dimensions = 0;
  const float* values = nullptr;
  check(XGBoosterPredictFromDMatrix(handle_, rows.handle(), config.c_str(), &shape, &dimensions, &values));
  return copied_prediction(shape, dimensions, values);
}

LibraryPrediction Booster::predict_dense(std::span<const float> values, std::int64_t rows,
                                         const PredictOptions& options) const {
  const std::int64_t columns = num_features();
  if (static_cast<std::int64_t>(values.size()) != rows * columns)
    throw Error(Kind::kInternal, "Booster::predict_dense: the shape does not fit the values");
  static const float nothing = 0;
  const bst_ulong* shape = nullptr;
  bst_ulong dimensions = 0;
  const float* out = nullptr;
  const MarginProxy proxy(options.base_margins, rows);
  check(XGBoosterPredictFromDense(
      handle_,
      array_interface(values.empty() ? &nothing : values.data(), "<f4", fmt::format("{}, {}", rows, columns)).c_str(),
      in_place_config(options).c_str(), proxy.handle(), &shape, &dimensions, &out));
  return copied_prediction(shape, dimensions, out);
}

LibraryPrediction Booster::predict_csr(std::span<const std::int64_t> offsets, std::span<const std::int32_t> columns,
                                       std::span<const float> values, const PredictOptions& options) const {
  const bst_ulong* shape = nullptr;
  bst_ulong dimensions = 0;
  const float* out = nullptr;
  const MarginProxy proxy(options.base_margins, std::ssize(offsets) - 1);
  check(XGBoosterPredictFromCSR(handle_, array_interface(offsets, "<i8").c_str(),
                                array_interface(columns, "<i4").c_str(), array_interface(values, "<f4").c_str(),
                                static_cast<bst_ulong>(num_features()), in_place_config(options).c_str(),
                                proxy.handle(), &shape, &dimensions, &out));
  return copied_prediction(shape, dimensions, out);
}

std::string Booster::save_to_buffer(ModelFormat format) const {
  bst_ulong size = 0;
  const char* bytes = nullptr;
  check(XGBoosterSaveModelToBuffer(handle_, name_of(format), &size, &bytes));
  return {bytes, size};
}

void Booster::load_from_buffer(std::string_view bytes) {
  check(XGBoosterLoadModelFromBuffer(handle_, bytes.data(), bytes.size()));
}

std::string Booster::serialize() const {
  bst_ulong size = 0;
  const char* bytes = nullptr;
  check(XGBoosterSerializeToBuffer(handle_, &size, &bytes));
  return {bytes, size};
}

void Booster::unserialize(std::string_view bytes) {
  check(XGBoosterUnserializeFromBuffer(handle_, bytes.data(), bytes.size()));
}

std::string Booster::json_config() const {
  bst_ulong size = 0;
  const char* text = nullptr;
  check(XGBoosterSaveJsonConfig(handle_, &size, &text));
  return {text, size};
}

void Booster::load_json_config(const std::string& json) { check(XGBoosterLoadJsonConfig(handle_, json.c_str())); }

std::optional<std::string> Booster::attribute(const std::string& name) const {
  const char* value = nullptr;
  int found = 0;
  check(XGBoosterGetAttr(handle_, name.c_str(), &value, &found));
  if (found == 0) return std::nullopt;
  return value;
}

void Booster::set_attribute(const std::string& name, const std::string& value) {
  check(XGBoosterSetAttr(handle_, name.c_str(), value.c_str()));
}

std::vector<std::string> Booster::attribute_names() const {
  bst_ulong count = 0;
  const char** names = nullptr;
  check(XGBoosterGetAttrNames(handle_, &count, &names));
  return copied(names, count);
}

void Booster::set_texts(const char* field, const std::vector<std::string>& texts) {
  auto list = pointers(texts);
  check(XGBoosterSetStrFeatureInfo(handle_, field, list.data(), list.size()));
}

std::vector<std::string> Booster::texts(const char* field) const {
  bst_ulong count = 0;
  const char** out = nullptr;
  check(XGBoosterGetStrFeatureInfo(handle_, field, &count, &out));
  return copied(out, count);
}

Booster Booster::slice(int begin, int end) const {
  // The booster that the default constructor made is replaced by the slice's handle.
  Booster out;
  XGBoosterFree(std::exchange(out.handle_, nullptr));
  check(XGBoosterSlice(handle_, begin, end, 1, &out.handle_));
  return out;
}

int Booster::boosted_rounds() const {
  int out = 0;
  check(XGBoosterBoostedRounds(handle_, &out));
  return out;
}

std::int64_t Booster::num_features() const {
  bst_ulong out = 0;
  check(XGBoosterGetNumFeature(handle_, &out));
  return static_cast<std::int64_t>(out);
}

void on_log(std::function<void(std::string_view)> sink) {
  log_sink() = std::move(sink);
  check(XGBRegisterLogCallback(write_log));
}

std::string library_version() {
  int major = 0, minor = 0, patch = 0;
  XGBoostVersion(&major, &minor, &patch);
  return fmt::format("{}.{}.{}", major, minor, patch);
}

// Cores this process may use, as OpenMP counts them (CPU affinity included).
int default_threads() { return omp_get_num_procs(); }

void set_verbosity(int verbosity) {
  check(XGBSetGlobalConfig(fmt::format(R"({{"verbosity": {}}})", verbosity).c_str()));
}

bool is_distributed() { return XGCommunicatorIsDistributed() != 0; }

// One communicator a process: the library keeps it in a global.
Communicator::Communicator(const std::string& config) { check(XGCommunicatorInit(config.c_str())); }

Communicator::~Communicator() { XGCommunicatorFinalize(); }

int Communicator::rank() const { return XGCommunicatorGetRank(); }

int Communicator::world_size() const { return XGCommunicatorGetWorldSize(); }

bool Communicator::is_distributed() const { return XGCommunicatorIsDistributed() != 0; }

void Communicator::all_reduce_sum(std::span<double> values) {
  check(XGCommunicatorAllreduce(values.data(), values.size(), kDouble, kSum));
}

void Communicator::all_reduce_max(std::span<double> values) {
  check(XGCommunicatorAllreduce(values.data(), values.size(), kDouble, kMax));
}

// The length first, since every rank must pass a buffer of the same size.
void Communicator::broadcast(std::string& text, int root) {
  std::uint64_t size = text.size();
  check(XGCommunicatorBroadcast(&size, sizeof size, root));
  text.resize(size);
  if (size > 0) check(XGCommunicatorBroadcast(text.data(), size, root));
}

}  // namespace clary::xgboost
