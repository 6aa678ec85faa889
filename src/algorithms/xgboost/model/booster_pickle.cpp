// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/model/booster_pickle.h"

#include <fmt/format.h>

#include <limits>

#include "base/error.h"
#include "learning/artifact/pickle.h"

namespace clary::xgboost {
namespace {

namespace pickle = artifact::pickle;

constexpr std::size_t kMaxTextBytes = 256 << 20;

[[noreturn]] void fail(const std::string& why) { throw Error(Kind::kMalformed, "pickle: " + why); }

/// The state of an object: a dictionary, or the first of (dictionary, slots).
const pickle::Dict* state_of(const pickle::Value& value) {
  const auto* object = std::get_if<pickle::Object>(&value.is);
  if (object == nullptr || object->state == nullptr) return nullptr;
  if (const auto* pair = std::get_if<pickle::List>(&object->state->is))
    return pair->items.empty() ? nullptr : std::get_if<pickle::Dict>(&pair->items[0]->is);
  return std::get_if<pickle::Dict>(&object->state->is);
}

std::vector<std::string> texts(const pickle::Dict& state, std::string_view key) {
  std::vector<std::string> out;
  const pickle::Value* found = pickle::find(state, key);
  const auto* list = found != nullptr ? std::get_if<pickle::List>(&found->is) : nullptr;
  if (list == nullptr) return out;
  std::size_t bytes = 0;  // one long text may be listed often
  for (const pickle::Ref item : list->items) {
    out.emplace_back(pickle::text_of(*item));
    bytes += out.back().size();
    if (bytes > kMaxTextBytes) fail(fmt::format("{} of more than {} bytes", key, kMaxTextBytes));
  }
  return out;
}

std::optional<std::int64_t> integer(const pickle::Dict& state, std::string_view key) {
  const pickle::Value* found = pickle::find(state, key);
  const auto* value = found != nullptr ? std::get_if<std::int64_t>(&found->is) : nullptr;
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

class Writer {
 public:
  void raw(std::string_view opcodes) { out_ += opcodes; }
  void text(std::string_view utf8) {
    if (utf8.size() > std::numeric_limits<std::uint32_t>::max())
      throw Error(Kind::kLimit, "the model is too large for a pickle; save it in the ubj format");
    out_ += 'X';  // BINUNICODE
    number(utf8.size());
    out_ += utf8;
  }
  void integer(std::int64_t value) {
    out_ += 'J';  // BININT
    number(static_cast<std::uint64_t>(value));
  }
  /// bytearray(text, "latin-1"), as protocol 2 writes it.
  void bytearray(std::string_view bytes) {
    std::string utf8;
    utf8.reserve(bytes.size() + bytes.size() / 2);
    for (const char c : bytes) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x80) {
        utf8 += c;
      } else {
        utf8 += static_cast<char>(0xC0 | byte >> 6);
        utf8 += static_cast<char>(0x80 | (byte & 0x3F));
      }
    }
    raw("c__builtin__\nbytearray\n");
    text(utf8);
    text("latin-1");
    raw("\x86R");  // TUPLE2 REDUCE
  }
  void texts(const std::vector<std::string>& list) {
    if (list.empty()) return raw("N");
    raw("](");
    for (const std::string& one : list) text(one);
    raw("e");
  }
  std::string take() { return std::move(out_); }

 private:
  void number(std::uint64_t value) {
    for (int i = 0; i < 4; ++i) out_ += static_cast<char>(value >> (8 * i));
  }
  std::string out_;
};

}  // namespace

bool is_pickle(std::string_view bytes) {
  if (bytes.size() >= 2 && bytes[0] == '\x80') return bytes[1] >= 2 && bytes[1] <= 5;
  for (const std::string_view start :
       {"ccopy_reg\n_reconstructor", "ccopyreg\n_reconstructor", "cxgboost.", "(ixgboost."})
    if (bytes.starts_with(start)) return true;
  return false;
}

PickledBooster parse_pickle(std::string_view bytes) {
  const pickle::Pickle parsed = pickle::parse(bytes);
  const pickle::Value* value = parsed.root;
  // scikit-learn's estimators keep the Booster in `_Booster`.
  if (const pickle::Dict* state = state_of(*value))
    if (const pickle::Value* inner = pickle::find(*state, "_Booster")) value = inner;
  const pickle::Dict* state = state_of(*value);
  const pickle::Value* handle = state != nullptr ? pickle::find(*state, "handle") : nullptr;
  if (handle == nullptr ||
      pickle::type_of(std::get<pickle::Object>(value->is)).find("Booster") == std::string_view::npos)
    fail("it holds no trained xgboost.core.Booster");
  PickledBooster out;
  if (const auto* raw = std::get_if<pickle::Bytes>(&handle->is)) out.handle = raw->bytes;
  if (const auto* text = std::get_if<pickle::Text>(&handle->is)) out.handle = pickle::latin1(text->utf8);
  if (out.handle.empty()) fail("the Booster has no model in it");
  out.feature_names = texts(*state, "feature_names");
  out.feature_types = texts(*state, "feature_types");
  if (const pickle::Value* booster = pickle::find(*state, "booster")) out.booster = pickle::text_of(*booster);
  out.best_iteration = integer(*state, "best_iteration");
  out.best_ntree_limit = integer(*state, "best_ntree_limit");
  return out;
}

std::string write_pickle(const PickledBooster& booster) {
  Writer out;
  out.raw(
      "\x80\x02"
      "cxgboost.core\nBooster\n)\x81}(");  // PROTO GLOBAL EMPTY_TUPLE NEWOBJ EMPTY_DICT MARK
  out.text("handle");
  out.bytearray(booster.handle);
  out.text("feature_names");
  out.texts(booster.feature_names);
  out.text("feature_types");
  out.texts(booster.feature_types);
  out.text("booster");
  out.text(booster.booster.empty() ? "gbtree" : booster.booster);
  if (booster.best_iteration) {
    out.text("best_iteration");
    out.integer(*booster.best_iteration);
  }
  if (booster.best_ntree_limit) {
    out.text("best_ntree_limit");
    out.integer(*booster.best_ntree_limit);
  }
  out.raw("ub.");  // SETITEMS BUILD STOP
  return out.take();
}

}  // namespace clary::xgboost
