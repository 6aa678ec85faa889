// SPDX-License-Identifier: Apache-2.0
// Python pickles as data: the opcodes of protocols 0 to 5 (documented in Python's Lib/pickletools.py) run a stack
// machine whose values are inert. A class with its arguments becomes an Object; only the calls that spell bytes
// (bytearray, bytes, _codecs.encode) and OrderedDict are understood as what they give. Nothing is called or imported.
// Values, and the bytes that they keep, are bounded by the input.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace clary::artifact::pickle {

struct Value;
using Ref = Value*;  // into Pickle::values; a value may be reached in several ways, also from itself

struct None {};
struct Mark {};
struct List {  // or a tuple
  std::vector<Ref> items;
};
struct Dict {  // also OrderedDict, in the order of insertion; the last of equal keys is the value
  std::vector<std::pair<Ref, Ref>> items;
};
struct Global {
  std::string name;  // "module class"
};
struct Object {
  Ref type = nullptr;       // a Global, unless the pickle is odd
  Ref arguments = nullptr;  // of the call that makes it; a List
  Ref state = nullptr;
};
/// What lies outside the pickle, by the name that its writer gave it (torch.save: a tensor's numbers).
struct Persistent {
  Ref id = nullptr;
};
struct Text {
  std::string utf8;
};
struct Bytes {
  std::string bytes;
};
struct Value {
  std::variant<None, Mark, std::int64_t, double, Text, Bytes, List, Dict, Global, Object, Persistent> is;
};

/// A pickle's values, at places that do not change.
struct Pickle {
  std::unique_ptr<std::deque<Value>> values;
  Ref root = nullptr;
  std::size_t size = 0;  // bytes up to and with STOP
};

/// @throws Error{kMalformed} for what is no pickle or too large
Pickle parse(std::string_view bytes);

/// The value's text or bytes, which it keeps; "" for anything else.
std::string_view text_of(const Value& value);
/// The name of an object's class or of the function that makes it, "module name"; "" when the pickle is odd.
std::string_view type_of(const Object& object);
/// nullptr when there is none.
const Value* find(const Dict& dict, std::string_view key);
/// UTF-8 of characters below 256 to those bytes, as Python 2's texts have it. @throws Error{kMalformed} for others
std::string latin1(const std::string& utf8);

}  // namespace clary::artifact::pickle
