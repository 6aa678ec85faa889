// SPDX-License-Identifier: Apache-2.0
// A stack machine over pickle opcodes (documented in Python's Lib/pickletools.py) whose values are inert. A class and
// its arguments become an Object; the few calls that only spell bytes (bytearray, bytes, _codecs.encode) are understood
// as such. Memory is bounded by the input: a value keeps no more than the bytes that describe it.
#include <fmt/format.h>

#include <charconv>
#include <deque>
#include <unordered_map>
#include <variant>

#include "algorithms/xgboost/model/pickle.h"
#include "base/error.h"

namespace clary::xgboost {
namespace {

constexpr std::size_t kMaxValues = 1 << 20;  // a Booster needs a few dozen and one a feature name

struct Value;
// A deque never moves its elements: references stay valid while values are added. Values form a graph (through the
// memo, even with cycles), and nothing here walks it recursively.
using Ref = Value*;  // values live in Machine::values_ until the end; cycles through the memo do no harm
struct None {};
struct Mark {};
struct List {
  std::vector<Ref> items;
};
struct Dict {
  std::vector<std::pair<Ref, Ref>> items;
};
struct Global {
  std::string name;  // "module class"
};
struct Object {
  std::string type;
  Ref state = nullptr;
};
struct Text {
  std::string utf8;
};
struct Bytes {
  std::string bytes;
};
struct Value {
  std::variant<None, Mark, std::int64_t, Text, Bytes, List, Dict, Global, Object> is;
};

// Nothing of a pickle is executed: there are no imports and no calls.
[[noreturn]] void fail(const std::string& why) { throw Error(Kind::kMalformed, "pickle: " + why); }

/// UTF-8 of characters below 256 to those bytes.
std::string latin1(const std::string& utf8) {
  std::string out;
  out.reserve(utf8.size());
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto byte = static_cast<unsigned char>(utf8[i]);
    if (byte < 0x80) {
      out += utf8[i];
    } else if ((byte == 0xC2 || byte == 0xC3) && i + 1 < utf8.size()) {
      out += static_cast<char>((byte & 3) << 6 | (static_cast<unsigned char>(utf8[++i]) & 0x3F));
    } else {
      fail("a bytearray's text is not latin-1");
    }
  }
  return out;
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xE0 | (code >> 12 & 0xF));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

std::optional<std::uint32_t> hex(std::string_view digits) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) return std::nullopt;
  return value;
}

class Machine {
 public:
  explicit Machine(std::string_view bytes) : rest_(bytes) {}

  /// What is on the stack at STOP.
  Ref run() {
    while (true) {
      const auto opcode = static_cast<unsigned char>(take(1)[0]);
      if (opcode == '.') return pop();
      step(opcode);
    }
  }

 private:
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) fail("it is cut");
    const auto out = rest_.substr(0, static_cast<std::size_t>(size));
    rest_.remove_prefix(out.size());
    return out;
  }
  std::uint64_t number(int bytes) {
    std::uint64_t value = 0;
    // Little-endian, as all of pickle's lengths.
    const auto text = take(static_cast<std::uint64_t>(bytes));
    for (int i = 0; i < bytes; ++i)
      value |= std::uint64_t{static_cast<unsigned char>(text[static_cast<std::size_t>(i)])} << (8 * i);
    return value;
  }
  std::string_view line() {
    const std::size_t end = rest_.find('\n');
    if (end == std::string_view::npos) fail("it is cut");
    const auto out = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return out;
  }
  std::uint64_t decimal_line() {
    const auto text = line();
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) fail("a memo number is none");
    return value;
  }

  // The number of values is bounded, so that a small file of opcodes cannot allocate without end.
  template <class T>
  void push(T&& value) {
    if (values_.size() >= kMaxValues) fail("it holds too many values");
    values_.push_back(Value{std::forward<T>(value)});
    stack_.push_back(&values_.back());
  }
  Ref pop() {
    if (stack_.empty()) fail("it takes more from the stack than there is");
    const Ref out = stack_.back();
    stack_.pop_back();
    return out;
  }
  Ref top() {
    if (stack_.empty()) fail("it takes more from the stack than there is");
    return stack_.back();
  }
  std::vector<Ref> pop_to_mark() {
    for (std::size_t i = stack_.size(); i-- > 0;) {
      if (!std::holds_alternative<Mark>(stack_[i]->is)) continue;
      std::vector<Ref> out(stack_.begin() + static_cast<std::ptrdiff_t>(i) + 1, stack_.end());
      stack_.resize(i);
      return out;
    }
    fail("a mark is missing");
  }
  void tuple(std::size_t size) {
    // Popped from last to first.
    List list;
    for (std::size_t i = 0; i < size; ++i) list.items.insert(list.items.begin(), pop());
    push(std::move(list));
  }
  /// Protocol 0's "I" and "L" lines.
  void integer_line() {
    auto text = line();
    if (text.ends_with('L')) text.remove_suffix(1);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (end != text.data() + text.size()) fail("an integer is none");
    if (error != std::errc()) value = 0;  // larger than 64 bits: nothing that a Booster needs
    push(value);
  }
  void add_items(const std::vector<Ref>& items) {
    if (auto* dict = std::get_if<Dict>(&top()->is)) {
      if (items.size() % 2 != 0) fail("a dictionary has a key without a value");
      // Lists are bounded apart: the same list may be extended again and again through the memo.
      if (dict->items.size() + items.size() / 2 > kMaxValues) fail("it holds too many values");
      for (std::size_t i = 0; i < items.size(); i += 2) dict->items.emplace_back(items[i], items[i + 1]);
    } else if (auto* list = std::get_if<List>(&top()->is)) {
      if (list->items.size() + items.size() > kMaxValues) fail("it holds too many values");
      list->items.insert(list->items.end(), items.begin(), items.end());
    }  // a set, or items of an object: not needed
  }
  void dict_of(const std::vector<Ref>& items) {
    push(Dict{});
    add_items(items);
  }
  void object(const Ref& type) {
    const auto* global = std::get_if<Global>(&type->is);
    push(Object{global != nullptr ? global->name : std::string(), nullptr});
  }
  void set_memo(std::uint64_t number) {
    if (memo_.size() >= kMaxValues) fail("it holds too many values");
    memo_[number] = top();
  }
  void get_memo(std::uint64_t number) {
    const auto found = memo_.find(number);
    if (found == memo_.end()) fail("a memo entry is missing");
    if (stack_.size() >= kMaxValues) fail("it holds too many values");
    stack_.push_back(found->second);
  }

  static const std::string* text_of(const List& list, std::size_t i) {
    if (i >= list.items.size()) return nullptr;
    const auto* text = std::get_if<Text>(&list.items[i]->is);
    return text != nullptr ? &text->utf8 : nullptr;
  }

  /// Calls are not made. Those that spell bytes are read as bytes; a class with arguments becomes an object.
  /// The callee is on the stack below its arguments.
  void reduce() {
    // From the top of the stack: the arguments, then the callable.
    const Ref arguments = pop();
    const Ref callee = pop();
    const auto* global = std::get_if<Global>(&callee->is);
    const auto* list = std::get_if<List>(&arguments->is);
    if (global == nullptr || list == nullptr) return push(Object{});
    const std::string& name = global->name;
    if (name == "__builtin__ bytearray" || name == "builtins bytearray" || name == "__builtin__ bytes" ||
        name == "builtins bytes" || name == "_codecs encode") {
      if (list->items.empty()) return push(Bytes{});
      if (const auto* bytes = std::get_if<Bytes>(&list->items[0]->is)) return push(Bytes{*bytes});
      if (const auto* text = text_of(*list, 0)) return push(Bytes{latin1(*text)});
      fail("a bytearray is made of neither text nor bytes");
    }
    if (name == "copy_reg _reconstructor" || name == "copyreg _reconstructor") {
      if (list->items.empty()) fail("an object has no class");
      return object(list->items[0]);
    }
    // An OrderedDict is filled by SETITEMS afterwards.
    if (name == "collections OrderedDict") return push(Dict{});
    push(Object{name, nullptr});
  }

  void build() {
    const Ref state = pop();
    // BUILD calls __setstate__ in Python; here the state is only remembered.
    if (auto* made = std::get_if<Object>(&top()->is)) made->state = state;
  }

  /// Protocol 0's quoted 8-bit text.
  void string_line() {
    auto text = line();
    if (text.size() < 2 || (text.front() != '\'' && text.front() != '"') || text.back() != text.front())
      fail("a text is not in quotes");
    text = text.substr(1, text.size() - 2);
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\' || i + 1 == text.size()) {
        out += text[i];
        continue;
      }
      const char next = text[++i];
      if (next == 'x' && i + 2 < text.size()) {
        const auto code = hex(text.substr(i + 1, 2));
        if (!code) fail("an escape in a text is none");
        out += static_cast<char>(*code);
        i += 2;
      } else {
        out += next == 'n' ? '\n' : next == 'r' ? '\r' : next == 't' ? '\t' : next;
      }
    }
    push(Bytes{std::move(out)});
  }

  /// Protocol 0's "V" line: latin-1 bytes, with \uXXXX for backslash, newline and what is above 255.
  void unicode_line() {
    const auto text = line();
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\\' && i + 5 < text.size() && text[i + 1] == 'u') {
        const auto code = hex(text.substr(i + 2, 4));
        if (!code) fail("an escape in a text is none");
        append_utf8(out, *code);
        i += 5;
      } else {
        append_utf8(out, static_cast<unsigned char>(text[i]));
      }
    }
    push(Text{std::move(out)});
  }

  void global_line() {
    const std::string module(line());
    const std::string name(line());
    push(Global{module + " " + name});
  }
  void stack_global() {
    const Ref name = pop();
    const Ref module = pop();
    const auto* a = std::get_if<Text>(&module->is);
    const auto* b = std::get_if<Text>(&name->is);
    if (a == nullptr || b == nullptr) fail("a class name is no text");
    push(Global{a->utf8 + " " + b->utf8});
  }
  void text(std::uint64_t size) { push(Text{std::string(take(size))}); }
  void bytes(std::uint64_t size) { push(Bytes{std::string(take(size))}); }

  void step(unsigned char opcode);

  std::string_view rest_;
  std::deque<Value> values_;
  std::vector<Ref> stack_;
  std::unordered_map<std::uint64_t, Ref> memo_;
};

// Opcodes by their value in pickletools; those of protocols 0 to 5 that Python's pickler emits for a Booster. What a
// Booster does not need becomes None, of the right size on the stack.
void Machine::step(unsigned char opcode) {
  switch (opcode) {
    case 0x80:
      take(1);
      break;  // PROTO
    case 0x95:
      // Frames only help readers of streams.
      take(8);
      break;  // FRAME
    case '(':
      push(Mark{});
      break;
    case '0':
      pop();
      break;
    case '1':
      pop_to_mark();
      break;
    case '2':
      stack_.push_back(top());
      break;
    case 'N':
      push(None{});
      break;
    case 0x88:
      push(std::int64_t{1});
      break;
    case 0x89:
      push(std::int64_t{0});
      break;
    case 'I':
    case 'L':
      integer_line();
      break;
    case 'J':
      push(std::int64_t{static_cast<std::int32_t>(number(4))});
      break;
    case 'K':
      push(static_cast<std::int64_t>(number(1)));
      break;
    case 'M':
      push(static_cast<std::int64_t>(number(2)));
      break;
    case 0x8a: {  // LONG1
      const auto size = number(1);
      // Longer than 64 bits: not needed.
      if (size > 8) {
        take(size);
        push(std::int64_t{0});
        break;
      }
      std::uint64_t value = size == 0 ? 0 : number(static_cast<int>(size));
      // The sign is the highest bit of the last byte.
      if (size > 0 && size < 8 && (value >> (8 * size - 1) & 1) != 0) value |= ~std::uint64_t{0} << (8 * size);
      push(static_cast<std::int64_t>(value));
      break;
    }
    case 0x8b:
      take(number(4));
      push(std::int64_t{0});
      break;  // LONG4
    case 'F':
      line();
      push(None{});
      break;  // numbers with a fraction are not needed
    case 'G':
      take(8);
      push(None{});
      break;
    case 'S':
      string_line();
      break;
    case 'T':
      bytes(number(4));
      break;
    case 'U':
      bytes(number(1));
      break;
    case 'V':
      unicode_line();
      break;
    case 'X':
      text(number(4));
      break;
    case 0x8c:
      text(number(1));
      break;
    case 0x8d:
      text(number(8));
      break;
    case 'B':
      bytes(number(4));
      break;
    case 'C':
      bytes(number(1));
      break;
    case 0x8e:
    case 0x96:
      bytes(number(8));
      break;
    case ')':
      push(List{});
      break;
    case ']':
      push(List{});
      break;
    case 'l':
    case 't':
      push(List{pop_to_mark()});
      break;
    case 0x85:
      tuple(1);
      break;
    case 0x86:
      tuple(2);
      break;
    case 0x87:
      tuple(3);
      break;
    case '}':
      push(Dict{});
      break;
    case 'd':
      dict_of(pop_to_mark());
      break;
    case 0x8f:
      push(None{});
      break;  // EMPTY_SET
    case 0x90:
    case 'e':
    case 'u':
      add_items(pop_to_mark());
      break;
    case 0x91:
      pop_to_mark();
      push(None{});
      break;  // FROZENSET
    case 'a': {
      const Ref item = pop();
      add_items({item});
      break;
    }
    case 's': {
      const Ref value = pop();
      const Ref key = pop();
      add_items({key, value});
      break;
    }
    case 'c':
      global_line();
      break;
    case 0x93:
      stack_global();
      break;
    case 'i': {
      global_line();
      const Ref type = pop();
      pop_to_mark();
      object(type);
      break;
    }
    case 'o': {
      const auto items = pop_to_mark();
      if (items.empty()) fail("an object has no class");
      object(items[0]);
      break;
    }
    // NEWOBJ: the class and a tuple of arguments; 0x92 (NEWOBJ_EX) has keyword arguments as well.
    case 0x81: {
      pop();
      const Ref type = pop();
      object(type);
      break;
    }
    case 0x92: {
      pop();
      pop();
      const Ref type = pop();
      object(type);
      break;
    }
    case 'R':
      reduce();
      break;
    case 'b':
      build();
      break;
    case 'p':
      set_memo(decimal_line());
      break;
    case 'q':
      set_memo(number(1));
      break;
    case 'r':
      set_memo(number(4));
      break;
    case 0x94:
      // MEMOIZE: the next free number.
      set_memo(memo_.size());
      break;
    case 'g':
      get_memo(decimal_line());
      break;
    case 'h':
      get_memo(number(1));
      break;
    case 'j':
      get_memo(number(4));
      break;
    default:
      fail(fmt::format("opcode 0x{:02x} is not one of a Booster's", opcode));
  }
}

std::string text_value(const Value& value) {
  if (const auto* text = std::get_if<Text>(&value.is)) return text->utf8;
  if (const auto* bytes = std::get_if<Bytes>(&value.is)) return bytes->bytes;
  return "";
}

/// The last value of a key, which is what Python's dictionary keeps.
/// Linear: the dictionaries of a Booster are small.
const Value* find(const Dict& dict, std::string_view key) {
  for (auto it = dict.items.rbegin(); it != dict.items.rend(); ++it)
    if (text_value(*it->first) == key) return it->second;
  return nullptr;
}

/// The state of an object: a dictionary, or the first of (dictionary, slots).
const Dict* state_of(const Value& value) {
  const auto* object = std::get_if<Object>(&value.is);
  if (object == nullptr || object->state == nullptr) return nullptr;
  if (const auto* pair = std::get_if<List>(&object->state->is))
    return pair->items.empty() ? nullptr : std::get_if<Dict>(&pair->items[0]->is);
  return std::get_if<Dict>(&object->state->is);
}

std::vector<std::string> texts(const Dict& state, std::string_view key) {
  std::vector<std::string> out;
  const Value* found = find(state, key);
  const auto* list = found != nullptr ? std::get_if<List>(&found->is) : nullptr;
  if (list != nullptr)
    for (const Ref item : list->items) out.push_back(text_value(*item));
  return out;
}

std::optional<std::int64_t> integer(const Dict& state, std::string_view key) {
  const Value* found = find(state, key);
  const auto* value = found != nullptr ? std::get_if<std::int64_t>(&found->is) : nullptr;
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

}  // namespace

// Protocol 2 and later begin with PROTO; protocol 0 and 1 with the opcodes for a class.
bool is_pickle(std::string_view bytes) {
  if (bytes.size() >= 2 && bytes[0] == '\x80') return bytes[1] >= 2 && bytes[1] <= 5;
  for (const std::string_view start :
       {"ccopy_reg\n_reconstructor", "ccopyreg\n_reconstructor", "cxgboost.", "(ixgboost."})
    if (bytes.starts_with(start)) return true;
  return false;
}

PickledBooster parse_pickle(std::string_view bytes) {
  Machine machine(bytes);
  const Value* value = machine.run();
  // scikit-learn's estimators keep the Booster in `_Booster`.
  if (const Dict* state = state_of(*value))
    if (const Value* inner = find(*state, "_Booster")) value = inner;
  const Dict* state = state_of(*value);
  const Value* handle = state != nullptr ? find(*state, "handle") : nullptr;
  // Any other object with a "handle" is refused.
  if (handle == nullptr || std::get<Object>(value->is).type.find("Booster") == std::string::npos)
    fail("it holds no trained xgboost.core.Booster");
  PickledBooster out;
  if (const auto* raw = std::get_if<Bytes>(&handle->is)) out.handle = raw->bytes;
  if (const auto* text = std::get_if<Text>(&handle->is)) out.handle = latin1(text->utf8);
  if (out.handle.empty()) fail("the Booster has no model in it");
  out.feature_names = texts(*state, "feature_names");
  out.feature_types = texts(*state, "feature_types");
  if (const Value* booster = find(*state, "booster")) out.booster = text_value(*booster);
  out.best_iteration = integer(*state, "best_iteration");
  out.best_ntree_limit = integer(*state, "best_ntree_limit");
  return out;
}

}  // namespace clary::xgboost
