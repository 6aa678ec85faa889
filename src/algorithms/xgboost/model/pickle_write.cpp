// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <limits>

#include "algorithms/xgboost/model/pickle.h"
#include "base/error.h"

namespace clary::xgboost {
namespace {

class Writer {
 public:
  void raw(std::string_view opcodes) { out_ += opcodes; }
  void text(std::string_view utf8) {
    // The length has four bytes in protocol 2.
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
  /// Python 2 and 3 both read this form: bytes as latin-1 text in UTF-8.
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
    // Python's None, not an empty list, is what Booster has without names.
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

// Protocol 2: the newest that Python 2 reads, which the old containers ran.
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
