// SPDX-License-Identifier: Apache-2.0
// Layouts from PyTorch 1.13, torch/serialization.py (_save, _legacy_save) and torch/_utils.py (_rebuild_tensor_v2).
#include "learning/artifact/torch_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "learning/artifact/byte_cursor.h"
#include "learning/artifact/pickle.h"
#include "learning/artifact/zip_archive.h"

namespace clary::artifact {
namespace {

using Bytes = std::span<const std::byte>;
const std::string kFile = "PyTorch file";

// The first pickle of the old form: PROTO 2, LONG1 0x1950a86a20f9469cfc6c, STOP.
constexpr std::string_view kOldMagic("\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19.", 15);

constexpr std::array<std::pair<std::string_view, ElementType>, 9> kStorages{
    {{"torch FloatStorage", ElementType::kFloat32},
     {"torch DoubleStorage", ElementType::kFloat64},
     {"torch HalfStorage", ElementType::kFloat16},
     {"torch BFloat16Storage", ElementType::kBFloat16},
     {"torch ByteStorage", ElementType::kUint8},
     {"torch CharStorage", ElementType::kInt8},
     {"torch IntStorage", ElementType::kInt32},
     {"torch LongStorage", ElementType::kInt64},
     {"torch BoolStorage", ElementType::kBool}}};

[[noreturn]] void malformed(const std::string& message) { throw Error(Kind::kMalformed, kFile + ": " + message); }

std::string_view text_view(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// A name is copied for every mention, so it is short.
std::string name_in(const pickle::Value& value) {
  constexpr std::size_t kMaxName = 1024;
  const std::string_view text = pickle::text_of(value);
  if (text.size() > kMaxName) malformed(fmt::format("a name of {} bytes, at most {} allowed", text.size(), kMaxName));
  return std::string(text);
}

const std::vector<pickle::Ref>* items_of(pickle::Ref value) {
  const auto* list = value != nullptr ? std::get_if<pickle::List>(&value->is) : nullptr;
  return list != nullptr ? &list->items : nullptr;
}

/// A storage as the pickle names it: ("storage", class, key, device, number of elements[, view]).
struct Storage {
  std::string key;
  ElementType type = ElementType::kFloat32;
};

std::optional<Storage> storage_of(const pickle::Value& value) {
  const auto* persistent = std::get_if<pickle::Persistent>(&value.is);
  const auto* parts = persistent != nullptr ? items_of(persistent->id) : nullptr;
  if (parts == nullptr || parts->size() < 5 || pickle::text_of(*(*parts)[0]) != "storage") return std::nullopt;
  if (parts->size() > 5 && !std::holds_alternative<pickle::None>((*parts)[5]->is))
    malformed("a storage is a view of another, as PyTorch before 0.4 wrote them");
  const auto* type = std::get_if<pickle::Global>(&(*parts)[1]->is);
  const auto* known = type != nullptr ? std::ranges::find(kStorages, std::string_view(type->name),
                                                          [](const auto& row) { return row.first; })
                                      : kStorages.end();
  if (known == kStorages.end()) return std::nullopt;
  return Storage{name_in(*(*parts)[2]), known->second};
}

std::vector<std::int64_t> integers_of(const std::string& tensor, pickle::Ref value) {
  const auto* items = items_of(value);
  if (items == nullptr || items->size() > kMaxDimensions) malformed(fmt::format("{:.200}: its shape is none", tensor));
  std::vector<std::int64_t> out;
  for (const pickle::Ref item : *items) {
    const auto* n = std::get_if<std::int64_t>(&item->is);
    if (n == nullptr) malformed(fmt::format("{:.200}: its shape is none", tensor));
    out.push_back(*n);
  }
  return out;
}

bool contiguous(std::span<const std::int64_t> shape, std::span<const std::int64_t> strides) {
  if (shape.size() != strides.size()) return false;
  std::int64_t expected = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    if (shape[i] != 1 && strides[i] != expected) return false;
    expected *= shape[i];  // cannot overflow: the product has been checked
  }
  return true;
}

using Storages = std::map<std::string, Bytes>;  // key -> its bytes

/// The tensor that a value is, or nothing for a number, a text, or elements that no network has.
std::optional<TensorView> tensor_of(const std::string& name, const pickle::Value& value, const Storages& storages) {
  const auto* object = std::get_if<pickle::Object>(&value.is);
  const auto* arguments = object != nullptr ? items_of(object->arguments) : nullptr;
  if (arguments == nullptr || arguments->empty()) return std::nullopt;
  std::string_view type = pickle::type_of(*object);
  if (type == "torch._utils _rebuild_parameter") {  // (tensor, requires_grad, hooks)
    object = std::get_if<pickle::Object>(&(*arguments)[0]->is);
    arguments = object != nullptr ? items_of(object->arguments) : nullptr;
    type = object != nullptr ? pickle::type_of(*object) : std::string_view();
  }
  if (type != "torch._utils _rebuild_tensor_v2" || arguments == nullptr || arguments->size() < 4) return std::nullopt;
  const auto storage = storage_of(*(*arguments)[0]);  // (storage, offset, shape, strides, ...)
  const auto* offset = std::get_if<std::int64_t>(&(*arguments)[1]->is);
  if (!storage) return std::nullopt;
  const auto found = storages.find(storage->key);
  if (found == storages.end()) malformed(fmt::format("{:.200}: its numbers are missing", name));
  TensorView out{.name = name, .type = storage->type, .shape = integers_of(name, (*arguments)[2]), .bytes = {}};
  const std::uint64_t unit = bytes_of(out.type), held = found->second.size() / unit;
  const std::uint64_t size = checked_size(kFile + ": " + name, out.shape, out.type, found->second.size());
  if (offset == nullptr || *offset < 0 || static_cast<std::uint64_t>(*offset) > held - size)
    malformed(fmt::format("{:.200}: it lies outside its storage", name));
  if (size > 1 && !contiguous(out.shape, integers_of(name, (*arguments)[3])))
    malformed(fmt::format("{:.200}: its memory format is not contiguous; save it after .contiguous()", name));
  out.bytes = found->second.subspan(static_cast<std::size_t>(*offset) * unit, static_cast<std::size_t>(size * unit));
  return out;
}

std::vector<TensorView> tensors_of(const pickle::Dict& dict, const Storages& storages) {
  constexpr std::string_view kParallel = "module.";  // torch.nn.DataParallel's prefix
  std::vector<TensorView> out;
  for (const auto& [key, value] : dict.items) {
    const std::string name = name_in(*key);
    if (name.empty()) continue;
    auto tensor = tensor_of(name, *value, storages);
    if (!tensor) continue;
    if (out.size() == kMaxArrays) malformed(fmt::format("more than {} tensors", kMaxArrays));
    out.push_back(std::move(*tensor));
  }
  if (std::ranges::all_of(out, [&](const TensorView& t) { return t.name.starts_with(kParallel); }))
    for (TensorView& tensor : out) tensor.name.erase(0, kParallel.size());
  return out;
}

std::vector<TensorView> state_dict(const pickle::Value& root, const Storages& storages) {
  const auto* dict = std::get_if<pickle::Dict>(&root.is);
  if (dict == nullptr)
    malformed("it holds a whole module or program, not its parameters: save model.state_dict() instead");
  std::vector<TensorView> out = tensors_of(*dict, storages);
  for (const char* key : {"state_dict", "model_state_dict", "model"}) {
    if (!out.empty()) break;
    const pickle::Value* inner = pickle::find(*dict, key);
    if (const auto* inner_dict = inner != nullptr ? std::get_if<pickle::Dict>(&inner->is) : nullptr)
      out = tensors_of(*inner_dict, storages);
  }
  if (out.empty()) malformed("it holds no tensors under names: no state_dict");
  return out;
}

std::vector<TensorView> read_zip_form(Bytes bytes) {
  constexpr std::string_view kPickle = "data.pkl";
  const auto entries = view_stored_zip(bytes, 2 * kMaxArrays);
  const auto main = std::ranges::find_if(entries, [&](const auto& entry) {
    return entry.first == kPickle || entry.first.ends_with("/" + std::string(kPickle));
  });
  if (main == entries.end()) malformed("the archive has no data.pkl");
  const std::string folder = main->first.substr(0, main->first.size() - kPickle.size());
  const auto order = entries.find(folder + "byteorder");
  if (order != entries.end() && text_view(order->second) != "little") malformed("its numbers are big endian");
  const pickle::Pickle parsed = pickle::parse(text_view(main->second));
  Storages storages;
  const std::string prefix = folder + "data/";
  for (auto it = entries.lower_bound(prefix); it != entries.end() && it->first.starts_with(prefix); ++it)
    storages[it->first.substr(prefix.size())] = it->second;
  return state_dict(*parsed.root, storages);
}

/// Pickles of magic number, version, machine, the object and the storages' keys; then every storage in that order: its
/// number of elements and they.
std::vector<TensorView> read_old_form(Bytes bytes) {
  std::string_view rest = text_view(bytes).substr(kOldMagic.size());
  const auto next = [&] {
    pickle::Pickle parsed = pickle::parse(rest);
    rest.remove_prefix(parsed.size);
    return parsed;
  };
  next();  // version
  next();  // machine: sizes of types, little endian or not (no machine of today is)
  const pickle::Pickle object = next(), keys = next();
  std::map<std::string, ElementType> types;
  for (const pickle::Value& value : *object.values)
    if (const auto storage = storage_of(value)) types[storage->key] = storage->type;
  const auto* order = items_of(keys.root);
  if (order == nullptr) malformed("the list of storages is none");
  Storages storages;
  ByteCursor in(std::as_bytes(std::span(rest)), kFile);
  for (const pickle::Ref item : *order) {
    const std::string key = name_in(*item);
    const auto type = types.find(key);
    if (type == types.end()) malformed("a storage has a type that is not supported");
    const auto count = in.take<std::uint64_t>("number of elements");
    storages[key] = in.block(count, bytes_of(type->second), "storage");
  }
  return state_dict(*object.root, storages);
}

}  // namespace

std::vector<TensorView> read_torch(std::span<const std::byte> bytes) {
  const std::string_view text = text_view(bytes);
  if (text.starts_with("PK")) return read_zip_form(bytes);
  if (text.starts_with(kOldMagic)) return read_old_form(bytes);
  malformed("it is no file of torch.save()");
}

}  // namespace clary::artifact
