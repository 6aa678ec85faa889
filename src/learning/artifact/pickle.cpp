// SPDX-License-Identifier: Apache-2.0
#include "learning/artifact/pickle.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <optional>
#include <unordered_map>

#include "base/error.h"

namespace clary::artifact::pickle {
namespace {

constexpr std::size_t kMaxValues = 1 << 20;  // a network of 1,000 arrays needs 20,000

[[noreturn]] void fail(const std::string& why) { throw Error(Kind::kMalformed, "pickle: " + why); }

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
  explicit Machine(std::string_view bytes) : size_(bytes.size()), rest_(bytes) {}

  /// The values, and what is on the stack at STOP.
  Pickle run() {
    while (true) {
      const auto opcode = static_cast<unsigned char>(take(1)[0]);
      if (opcode == '.') break;
      step(opcode);
    }
    const Ref root = pop();
    return {std::move(values_), root, size_ - rest_.size()};
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

  static std::uint64_t big_endian(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  /// Protocol 0's "F" line.
  void decimal_fraction() {
    const auto text = line();
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::invalid_argument || end != text.data() + text.size()) fail("a fraction is none");
    push(value);
  }

  template <class T>
  void push(T&& value) {
    if (values_->size() >= kMaxValues) fail("it holds too many values");
    values_->push_back(Value{std::forward<T>(value)});
    stack_.push_back(&values_->back());
  }
  /// Values of the memo can be copied into others again and again; together no more than the pickle itself.
  void spend(std::size_t bytes) {
    copied_ += bytes;
    if (copied_ > 2 * size_) fail("its texts are repeated too often");
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
    if (error != std::errc()) value = 0;  // larger than 64 bits: nothing that a model's size or name needs
    push(value);
  }
  void add_items(const std::vector<Ref>& items) {
    if (auto* dict = std::get_if<Dict>(&top()->is)) {
      if (items.size() % 2 != 0) fail("a dictionary has a key without a value");
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
  void object(Ref type, Ref arguments) { push(Object{type, arguments, nullptr}); }
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

  static const std::string* text_at(const List& list, std::size_t i) {
    if (i >= list.items.size()) return nullptr;
    const auto* text = std::get_if<Text>(&list.items[i]->is);
    return text != nullptr ? &text->utf8 : nullptr;
  }

  /// Calls are not made. Those that spell bytes are read as bytes; a class with arguments becomes an object.
  void reduce() {
    const Ref arguments = pop();
    const Ref callee = pop();
    const auto* global = std::get_if<Global>(&callee->is);
    const auto* list = std::get_if<List>(&arguments->is);
    if (global == nullptr || list == nullptr) return object(callee, arguments);
    const std::string& name = global->name;
    if (name == "__builtin__ bytearray" || name == "builtins bytearray" || name == "__builtin__ bytes" ||
        name == "builtins bytes" || name == "_codecs encode")
      return spelled_bytes(*list);
    if (name == "copy_reg _reconstructor" || name == "copyreg _reconstructor") {
      if (list->items.empty()) fail("an object has no class");
      return object(list->items[0], arguments);
    }
    if (name == "collections OrderedDict") return ordered(*list);
    object(callee, arguments);
  }

  /// bytearray(bytes), bytes(text, "latin-1"), encode(text, "latin-1")
  void spelled_bytes(const List& arguments) {
    if (arguments.items.empty()) return push(Bytes{});
    if (const auto* bytes = std::get_if<Bytes>(&arguments.items[0]->is)) {
      spend(bytes->bytes.size());
      return push(Bytes{*bytes});
    }
    if (const auto* text = text_at(arguments, 0)) {
      spend(text->size());
      return push(Bytes{latin1(*text)});
    }
    fail("a bytearray is made of neither text nor bytes");
  }

  /// OrderedDict(), OrderedDict([[key, value], ...])
  void ordered(const List& arguments) {
    Dict out;
    const auto* pairs = arguments.items.empty() ? nullptr : std::get_if<List>(&arguments.items[0]->is);
    if (pairs != nullptr) {
      spend(pairs->items.size());
      for (const Ref item : pairs->items) {
        const auto* pair = std::get_if<List>(&item->is);
        if (pair == nullptr || pair->items.size() != 2) fail("a dictionary is made of something else than pairs");
        out.items.emplace_back(pair->items[0], pair->items[1]);
      }
    }
    push(std::move(out));
  }

  void build() {
    const Ref state = pop();
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
    spend(a->utf8.size() + b->utf8.size());
    push(Global{a->utf8 + " " + b->utf8});
  }
  void text(std::uint64_t size) { push(Text{std::string(take(size))}); }
  void bytes(std::uint64_t size) { push(Bytes{std::string(take(size))}); }

  void step(unsigned char opcode);

  std::size_t size_;
  std::string_view rest_;
  std::size_t copied_ = 0;
  std::unique_ptr<std::deque<Value>> values_ = std::make_unique<std::deque<Value>>();
  std::vector<Ref> stack_;
  std::unordered_map<std::uint64_t, Ref> memo_;
};

void Machine::step(unsigned char opcode) {
  switch (opcode) {
    case 0x80:
      take(1);
      break;  // PROTO
    case 0x95:
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
      if (size > 8) {
        take(size);
        push(std::int64_t{0});
        break;
      }
      std::uint64_t value = size == 0 ? 0 : number(static_cast<int>(size));
      if (size > 0 && size < 8 && (value >> (8 * size - 1) & 1) != 0) value |= ~std::uint64_t{0} << (8 * size);
      push(static_cast<std::int64_t>(value));
      break;
    }
    case 0x8b:
      take(number(4));
      push(std::int64_t{0});
      break;  // LONG4
    case 'F':
      decimal_fraction();
      break;
    case 'G':
      push(std::bit_cast<double>(big_endian(take(8))));
      break;
    case 'P': {  // PERSID
      push(Text{std::string(line())});
      const Ref id = pop();
      push(Persistent{id});
      break;
    }
    case 'Q': {  // BINPERSID
      const Ref id = pop();
      push(Persistent{id});
      break;
    }
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
      push(List{pop_to_mark()});
      const Ref arguments = pop();
      object(type, arguments);
      break;
    }
    case 'o': {
      const auto items = pop_to_mark();
      if (items.empty()) fail("an object has no class");
      push(List{{items.begin() + 1, items.end()}});
      const Ref arguments = pop();
      object(items[0], arguments);
      break;
    }
    case 0x81: {
      const Ref arguments = pop();
      const Ref type = pop();
      object(type, arguments);
      break;
    }
    case 0x92: {
      pop();  // keywords
      const Ref arguments = pop();
      const Ref type = pop();
      object(type, arguments);
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
      fail(fmt::format("opcode 0x{:02x} is not one of data", opcode));
  }
}

}  // namespace

Pickle parse(std::string_view bytes) { return Machine(bytes).run(); }

std::string_view text_of(const Value& value) {
  if (const auto* text = std::get_if<Text>(&value.is)) return text->utf8;
  if (const auto* bytes = std::get_if<Bytes>(&value.is)) return bytes->bytes;
  return "";
}

std::string_view type_of(const Object& object) {
  const auto* global = object.type != nullptr ? std::get_if<Global>(&object.type->is) : nullptr;
  return global != nullptr ? std::string_view(global->name) : std::string_view();
}

const Value* find(const Dict& dict, std::string_view key) {
  for (auto it = dict.items.rbegin(); it != dict.items.rend(); ++it) {
    const Value& name = *it->first;
    const auto* text = std::get_if<Text>(&name.is);
    const auto* bytes = std::get_if<Bytes>(&name.is);
    if ((text != nullptr && text->utf8 == key) || (bytes != nullptr && bytes->bytes == key)) return it->second;
  }
  return nullptr;
}

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

}  // namespace clary::artifact::pickle
