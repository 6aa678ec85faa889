// SPDX-License-Identifier: Apache-2.0
// An instance is one of
//   [1, 2]   {"features": F}   {"data": F}   {"data": {"features": F}}   {"tokens": ["word", ...]}   {"data":
//   {"tokens": ...}}
// with F one of [1, 2]   {"values": [1, 2]}   {"keys": [0, 7], "shape": [9], "values": [1, 2]}, and beside them, all
// optional, "configuration" (an object), "uid" and "metadata" (texts).
#include "formats/request_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/json_fault.h"
#include "base/text.h"
#include "formats/batch_builder.h"

namespace clary::formats {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kKeptParserBytes = 1 << 20;  // larger bodies get a parser of their own, freed after use

/// What is wrong with an instance; the caller adds which.
struct Problem {
  std::string text;
};

std::optional<dom::element> member(const dom::object& object, std::string_view name) {
  dom::element value;
  if (object[name].get(value) != simdjson::SUCCESS || value.is_null()) return std::nullopt;
  return value;
}

dom::array array_of(const dom::element& value, std::string_view what) {
  dom::array array;
  if (value.get(array) != simdjson::SUCCESS) throw Problem{fmt::format("{} is not an array", what)};
  return array;
}

float number_of(const dom::element& value, std::string_view what, std::size_t index) {
  double number = 0;
  // JSON has no limits on numbers, float32 has.
  if (value.get(number) != simdjson::SUCCESS) throw Problem{fmt::format("{}[{}] is not a number", what, index)};
  const auto narrowed = static_cast<float>(number);
  if (!std::isfinite(narrowed))
    throw Problem{fmt::format("{}[{}]: {} is outside the range of float32", what, index, number)};
  return narrowed;
}

std::uint64_t index_of(const dom::element& value, std::string_view what, std::size_t index) {
  std::uint64_t number = 0;
  if (value.get(number) != simdjson::SUCCESS)
    throw Problem{fmt::format("{}[{}] is not a whole number >= 0", what, index)};
  return number;
}

std::size_t size_of(const dom::array& array) {  // array.size() saturates at 2^24 - 1
  std::size_t size = 0;
  for (auto it = array.begin(); it != array.end(); ++it) ++size;
  return size;
}

std::int64_t shape_size(const dom::array& shape) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::int32_t>::max();
  std::uint64_t size = 1;
  std::size_t i = 0;
  for (const dom::element extent : shape) {
    const std::uint64_t n = index_of(extent, "shape", i++);
    // n > kMax first, so that the product cannot overflow 64 bits.
    if (n > kMax || size * n > kMax) throw Problem{"shape: more than 2147483647 elements"};
    size *= n;
  }
  return static_cast<std::int64_t>(size);
}

// Collects rows; the caller completes a Problem with the place of the instance.
class Instances {
 public:
  Instances(std::int64_t width, const RequestOptions& options) : options_(options), builder_(rows_, false) {
    expected_ = shape_.width = width;
  }

  void add(const dom::element& instance) {
    if (builder_.rows() >= options_.max_rows) {
      throw Error(Kind::kLimit, fmt::format("request body: more than {} rows", options_.max_rows));
    }
    dom::object object;
    if (instance.get(object) == simdjson::SUCCESS) {
      add_object(object);
    } else {
      add_features(instance);
    }
  }

  Batch finish() {
    builder_.finish(shape_);
    rows_.width = shape_.width;
    return std::move(rows_);
  }

 private:
  void add_object(const dom::object& object) {
    add_content(object);
    if (const auto configuration = member(object, "configuration")) {
      if (!configuration->is_object()) throw Problem{"configuration is not an object"};
      builder_.set_configuration(simdjson::minify(*configuration));
    }
    if (const auto uid = member(object, "uid")) builder_.set_uid(text_of(*uid, "uid"));
    if (const auto metadata = member(object, "metadata")) builder_.set_metadata(text_of(*metadata, "metadata"));
  }

  void add_content(const dom::object& object) {
    const auto data = member(object, "data");
    dom::object inner;
    // {"data": {...}} and {...} have the same members.
    const dom::object& holder = data && data->get(inner) == simdjson::SUCCESS ? inner : object;
    if (const auto features = member(holder, "features")) {
      add_features(*features);
    } else if (const auto tokens = member(holder, "tokens")) {
      add_tokens(*tokens);
    } else if (data && data->is_array()) {
      add_features(*data);
    } else {
      throw Problem{data ? "data has no features" : "neither features nor data"};
    }
  }

  void add_features(const dom::element& features) {
    dom::object object;
    if (features.get(object) != simdjson::SUCCESS) {
      if (!features.is_array()) throw Problem{"features are neither an array nor an object"};
      add_dense(array_of(features, "features"), "features");
      return;
    }
    const auto values = member(object, "values");
    const auto keys = member(object, "keys");
    const auto shape = member(object, "shape");
    if (!values) throw Problem{"features have no values"};
    const dom::array numbers = array_of(*values, "values");
    if (!keys) {
      add_dense(numbers, "values");
      return;
    }
    if (!shape) throw Problem{"features have keys but no shape"};
    add_sparse(array_of(*keys, "keys"), numbers, shape_size(array_of(*shape, "shape")));
  }

  void add_dense(const dom::array& numbers, std::string_view what) {
    const std::size_t count = size_of(numbers);
    if (count == 0) throw Problem{fmt::format("{} are empty", what)};
    fix_width(static_cast<std::int64_t>(count));
    float* values = builder_.values_room(count);
    std::size_t i = 0;
    for (const dom::element number : numbers) {
      values[i] = options_.missing_allowed && number.is_null() ? std::numeric_limits<float>::quiet_NaN()
                                                               : number_of(number, what, i);
      ++i;
    }
    if (builder_.sparse()) {
      // values lies in the builder's memory, which add_dense_row() writes to.
      dense_.assign(values, values + count);
      builder_.add_dense_row(dense_, 0);
    } else {
      builder_.add_row(count, 0);
    }
  }

  void add_sparse(const dom::array& keys, const dom::array& numbers, std::int64_t width) {
    const std::size_t count = size_of(numbers);
    if (size_of(keys) != count) throw Problem{fmt::format("{} values but {} keys", count, size_of(keys))};
    fix_width(width);
    builder_.become_sparse();
    float* values = builder_.values_room(count);
    std::int32_t* columns = builder_.columns_room(count);
    std::size_t i = 0;
    for (const dom::element number : numbers) {
      values[i] = number_of(number, "values", i);
      ++i;
    }
    i = 0;
    bool ascending = true;
    for (const dom::element key : keys) {
      const std::uint64_t column = index_of(key, "keys", i);
      if (column >= static_cast<std::uint64_t>(width)) {
        throw Problem{fmt::format("keys[{}]: {} is outside the shape of {}", i, column, width)};
      }
      columns[i] = static_cast<std::int32_t>(column);
      ascending &= i == 0 || columns[i] > columns[i - 1];
      ++i;
    }
    builder_.add_row(ascending ? count : sort_and_sum(count, columns, values), 0);
  }

  void add_tokens(const dom::element& tokens) {
    if (!options_.allow_tokens) throw Problem{"tokens: this model does not take words, send features"};
    std::vector<std::string> words;
    for (const dom::element token : array_of(tokens, "tokens")) {
      std::string_view word;
      if (token.get(word) != simdjson::SUCCESS) throw Problem{fmt::format("tokens[{}] is not a text", words.size())};
      words.emplace_back(word);
    }
    // Tokens have no columns: an empty sparse row keeps the place.
    builder_.become_sparse();
    builder_.add_row(0, 0);
    rows_.tokens.resize(static_cast<std::size_t>(rows_.rows));
    rows_.tokens.back() = std::move(words);
  }

  void fix_width(std::int64_t width) {
    if (width == 0) throw Problem{"the shape has no elements"};
    if (shape_.width == 0) shape_.width = width;
    if (shape_.width != width) {
      throw Problem{fmt::format("{} features, expected {}{}", width, shape_.width,
                                expected_ > 0 ? "" : " as in the first instance")};
    }
  }

  static std::string text_of(const dom::element& value, std::string_view what) {
    std::string_view text;
    if (value.get(text) == simdjson::SUCCESS) return std::string(text);
    // Some clients send numbers as identifiers.
    if (value.is_int64() || value.is_uint64()) return simdjson::minify(value);
    throw Problem{fmt::format("{} is not a text", what)};
  }

  const RequestOptions& options_;
  Batch rows_;
  BatchBuilder builder_;
  RowShape shape_;
  std::int64_t expected_ = 0;
  std::vector<float> dense_;
};

/// Calls f(parser) with a parser for documents of up to `bytes`.
template <class F>
auto with_parser(std::size_t bytes, F f) {
  const auto ready = [&](dom::parser& parser) {
    if (parser.capacity() >= bytes && parser.capacity() > 0) return;
    if (parser.allocate(std::max<std::size_t>(bytes, 4096), kMaxDepth) != simdjson::SUCCESS) {
      throw Error(Kind::kLimit, fmt::format("request body: no memory to parse {} bytes of JSON", bytes));
    }
  };
  // Parsers keep their buffers: allocation would dominate small requests. Per thread, as a parser serves one document
  // at a time.
  if (bytes <= kKeptParserBytes) {
    thread_local dom::parser kept;
    ready(kept);
    return f(kept);
  }
  dom::parser parser;
  ready(parser);
  return f(parser);
}

/// [[1, 2], ...] or [{...}, ...], as against [1, 2].
bool is_list_of_rows(const dom::array& array) {
  const auto first = array.begin();
  return first != array.end() && ((*first).is_array() || (*first).is_object());
}

// simdjson reads beyond the text: the copy has the padding.
simdjson::padded_string padded(std::span<const std::byte> body) {
  return simdjson::padded_string(reinterpret_cast<const char*>(body.data()), body.size());
}

// Python writes NaN and Infinity for float('nan') and float('inf'), which are no JSON.
std::string fault(std::string_view text, simdjson::error_code error, const RequestOptions& options) {
  const JsonFault found = json_fault(text);
  const std::string message = found.message(simdjson::error_message(error));
  return found.word.empty() || !options.missing_allowed ? message : message + "; write null for a missing value";
}

}  // namespace

Batch decode_json(std::span<const std::byte> body, std::int64_t width, const RequestOptions& options) {
  const simdjson::padded_string text = padded(body);
  return with_parser(body.size(), [&](dom::parser& parser) {
    dom::element root;
    if (const auto error = parser.parse(text).get(root)) {
      throw Error(Kind::kMalformed, fmt::format("request body: {}", fault(text, error, options)));
    }
    dom::object object;
    dom::array array;
    const bool bare = options.missing_allowed && root.get(array) == simdjson::SUCCESS;
    if (bare && !is_list_of_rows(array)) {
      // A bare array of numbers is one row.
      Instances one(width, options);
      try {
        one.add(root);
      } catch (const Problem& problem) {
        throw Error(Kind::kMalformed, fmt::format("request body: {}", problem.text));
      }
      return one.finish();
    }
    if (!bare && (root.get(object) != simdjson::SUCCESS || object["instances"].get(array) != simdjson::SUCCESS)) {
      throw Error(Kind::kMalformed, "request body: expected an object with an array \"instances\"");
    }
    Instances instances(width, options);
    std::size_t index = 0;
    for (const dom::element instance : array) {
      try {
        instances.add(instance);
      } catch (const Problem& problem) {
        throw Error(Kind::kMalformed, fmt::format("request body: instances[{}]: {}", index, problem.text));
      }
      ++index;
    }
    return instances.finish();
  });
}

Batch decode_json_lines(std::span<const std::byte> body, std::int64_t width, const RequestOptions& options) {
  const simdjson::padded_string text = padded(body);
  return with_parser(body.size(), [&](dom::parser& parser) {
    Instances instances(width, options);
    const std::string_view all(text.data(), text.size());
    std::size_t line = 1;
    for (std::size_t start = 0; start < all.size(); ++line) {
      const std::size_t end = std::min(all.find('\n', start), all.size());
      const std::string_view one = all.substr(start, end - start);
      start = end + 1;
      if (trimmed(one).empty()) continue;
      dom::element instance;
      // false: the text is padded as a whole, and behind a line lie the next ones.
      if (const auto error = parser.parse(one.data(), one.size(), false).get(instance)) {
        throw Error(Kind::kMalformed, fmt::format("request body: line {}: {}", line, fault(one, error, options)));
      }
      try {
        instances.add(instance);
      } catch (const Problem& problem) {
        throw Error(Kind::kMalformed, fmt::format("request body: line {}: {}", line, problem.text));
      }
    }
    return instances.finish();
  });
}

}  // namespace clary::formats
