// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/filter_path.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace clary::serving {
namespace {
constexpr std::size_t kMaxPathBytes = 63;  // DataProcessing.InputFilter: 0..63
}

// Recursive descent over at most 63 characters, which bounds the number of steps and of ranges in one bracket.
class FilterPath::Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::vector<Step> parse() {
    if (text_.size() > kMaxPathBytes) fail("is longer than 63 characters");
    expect('$');
    std::vector<Step> steps;
    while (at_ < text_.size()) steps.push_back(step());
    return steps;
  }

 private:
  Step step() {
    if (accept('.')) {
      // The guide's examples also write a dot before a bracket: $.['a','b'].
      if (accept('*')) return Wildcard{};
      if (peek() == '[') return bracket();
      return Members{{name()}, false};
    }
    if (peek() == '[') return bracket();
    fail("needs '.' or '['");
  }

  std::string name() {
    // A bare name is everything up to '.' or '[': blanks and signs belong to it. Names that contain those two need
    // quotes.
    const std::size_t start = at_;
    while (at_ < text_.size() && text_[at_] != '.' && text_[at_] != '[') ++at_;
    if (at_ == start) fail("has an empty member name");
    return std::string(text_.substr(start, at_ - start));
  }

  Step bracket() {
    expect('[');
    blanks();
    if (accept('*')) {
      blanks();
      expect(']');
      return Wildcard{};
    }
    Step step = peek() == '\'' || peek() == '"' ? Step(quoted_names()) : Step(elements());
    expect(']');
    return step;
  }

  Members quoted_names() {
    Members members;
    do {
      blanks();
      const char quote = peek();
      if (quote != '\'' && quote != '"') fail("needs a quoted member name");
      ++at_;
      const std::size_t end = text_.find(quote, at_);
      if (end == std::string_view::npos) fail("has an unclosed quote");
      members.names.emplace_back(text_.substr(at_, end - at_));
      at_ = end + 1;
      blanks();
    } while (accept(','));
    // Several names keep an object with these members; a single one takes the member's value.
    members.as_object = members.names.size() > 1;
    return members;
  }

  Elements elements() {
    Elements elements;
    do {
      blanks();
      Range range;
      // from_chars takes a '-' but no '+' and no blanks; those were skipped.
      const std::optional<std::int64_t> first = number();
      blanks();
      range.slice = accept(':');
      if (!range.slice && !first) fail("needs a number, a slice or a quoted name in brackets");
      blanks();
      range.first = first.value_or(0);
      range.open_start = range.slice && !first;
      // An omitted end is -1, the last element, since ends are inclusive here.
      range.last = range.slice ? number().value_or(-1) : range.first;
      blanks();
      elements.many = elements.many || range.slice;
      elements.ranges.push_back(range);
    } while (accept(','));
    elements.many = elements.many || elements.ranges.size() > 1;
    return elements;
  }

  // Does not move when no number is there: an empty optional is legal before and after ':'.
  std::optional<std::int64_t> number() {
    std::int64_t value = 0;
    const char* begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error == std::errc::result_out_of_range) fail("has a number out of range");
    if (error != std::errc()) return std::nullopt;
    at_ += static_cast<std::size_t>(end - begin);
    return value;
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool accept(char c) {
    if (peek() != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(std::string("needs '") + c + "'");
  }
  void blanks() {
    while (peek() == ' ') ++at_;
  }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(Kind::kInvalid,
                "JSONPath '" + std::string(text_) + "' " + what + " at position " + std::to_string(at_ + 1));
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

FilterPath FilterPath::parse(std::string_view text) {
  FilterPath path;
  path.text_ = text;
  path.steps_ = Parser(text).parse();
  return path;
}

bool FilterPath::fits_csv() const noexcept {
  return steps_.empty() || (steps_.size() == 1 && std::holds_alternative<Elements>(steps_[0]));
}

void FilterPath::fail(const std::string& what) const {
  throw Error(Kind::kMalformed, "filter '" + text_ + "': " + what);
}

bool FilterPath::repeats() const noexcept {
  return std::any_of(steps_.begin(), steps_.end(), [](const Step& step) {
    const auto* elements = std::get_if<Elements>(&step);
    return elements != nullptr && elements->ranges.size() > 1;
  });
}

struct FilterPath::Budget {
  const FilterPath& path;
  bool counted = false;
  std::size_t left = kMaxRepeatedBytes;

  void take(std::size_t bytes) {
    if (!counted) return;
    if (bytes > left)
      throw Error(Kind::kLimit, "filter '" + path.text_ + "': makes more than " + std::to_string(kMaxRepeatedBytes) +
                                    " bytes of one record");
    left -= bytes;
  }
  /// Before `value` is copied. Its depth is bounded (parse_ordered_json).
  void take(const OrderedJson& value) {
    if (!counted) return;
    take(sizeof(OrderedJson));
    if (value.is_string()) take(value.get_ref<const std::string&>().size());
    if (value.is_object())
      for (const auto& [name, member] : value.items()) take(sizeof(std::string) + name.size());
    if (value.is_structured())
      for (const OrderedJson& element : value) take(element);
  }
};

// Negative indexes count from the end, as in Python. An index or the start of a slice outside fails, and so does a
// slice that takes nothing: the CreateTransformJob reference has such jobs end with an error. The end of a slice is
// clipped.
std::vector<std::size_t> FilterPath::positions(const Elements& elements, std::size_t count) const {
  const auto n = static_cast<std::int64_t>(count);
  std::vector<std::size_t> out;
  for (const Range& range : elements.ranges) {
    std::int64_t first = range.first < 0 ? range.first + n : range.first;
    std::int64_t last = range.last < 0 ? range.last + n : range.last;
    if (!range.open_start && (first < 0 || first >= n))
      fail("element " + std::to_string(range.first) + " is outside the " + std::to_string(count) + " there are");
    if (range.slice) {
      last = std::min(last, n - 1);
      if (first > last && n > 0)
        fail("the slice from " + std::to_string(range.first) + " to " + std::to_string(range.last) +
             " takes none of the " + std::to_string(count) + " elements there are");
    }
    if (last < first) continue;
    const auto size = static_cast<std::size_t>(last - first + 1);
    if (elements.ranges.size() > 1 && size > kMaxRepeatedBytes / sizeof(out[0]) - out.size())
      throw Error(Kind::kLimit, "filter '" + text_ + "': takes more than " +
                                    std::to_string(kMaxRepeatedBytes / sizeof(out[0])) + " elements of one record");
    for (std::int64_t i = first; i <= last; ++i) out.push_back(static_cast<std::size_t>(i));
  }
  return out;
}

std::vector<std::size_t> FilterPath::select_columns(std::size_t count) const {
  if (steps_.empty()) {
    std::vector<std::size_t> all(count);
    for (std::size_t i = 0; i < count; ++i) all[i] = i;
    return all;
  }
  if (!fits_csv()) fail("only indexes and slices apply to CSV");
  return positions(std::get<Elements>(steps_[0]), count);
}

OrderedJson FilterPath::select(const OrderedJson& value) const {
  Budget budget{*this, repeats()};
  return apply(value, 0, budget);
}

// Recursion depth = number of steps (at most 63). A branch that keeps several elements makes a list or an object of
// the results.
OrderedJson FilterPath::apply(const OrderedJson& value, std::size_t step, Budget& budget) const {
  if (step == steps_.size()) {
    budget.take(value);
    return value;
  }
  if (const auto* members = std::get_if<Members>(&steps_[step])) {
    // names[0] exists: quoted_names() reads at least one.
    if (!value.is_object()) fail("member '" + members->names[0] + "' asked of something that is not an object");
    OrderedJson kept = OrderedJson::object();
    for (const std::string& name : members->names) {
      const auto found = value.find(name);
      if (found == value.end()) fail("no member '" + name + "'");
      if (!members->as_object) return apply(*found, step + 1, budget);
      budget.take(*found);
      kept[name] = *found;
    }
    return apply(kept, step + 1, budget);
  }
  budget.take(sizeof(OrderedJson));
  OrderedJson list = OrderedJson::array();
  if (std::holds_alternative<Wildcard>(steps_[step])) {
    if (!value.is_structured()) fail("'*' asked of something that is neither object nor array");
    // Over the values of an object as well as of an array, in the text's order.
    for (const OrderedJson& element : value) list.push_back(apply(element, step + 1, budget));
    return list;
  }
  const auto& elements = std::get<Elements>(steps_[step]);
  if (!value.is_array()) fail("an element asked of something that is not an array");
  for (const std::size_t i : positions(elements, value.size())) {
    if (!elements.many) return apply(value[i], step + 1, budget);
    list.push_back(apply(value[i], step + 1, budget));
  }
  return list;
}

}  // namespace clary::serving
