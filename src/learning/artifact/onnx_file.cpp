// SPDX-License-Identifier: Apache-2.0
// Field numbers are those of onnx/onnx.proto (ONNX 1.12).
#include "learning/artifact/onnx_file.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <limits>
#include <string_view>

#include "base/error.h"
#include "formats/wire.h"

namespace clary::artifact {
namespace {

namespace wire = formats::wire;
using Bytes = std::span<const std::byte>;

constexpr std::size_t kMaxNodes = 20'000;
constexpr std::size_t kMaxOfNode = 64;  // inputs, outputs, attributes, integers of an attribute
constexpr std::int64_t kIrVersion = 7;
constexpr std::int64_t kOpset = 12;

enum Model : std::uint32_t { kIr = 1, kProducer = 2, kGraph = 7, kOpsetImport = 8 };
enum Graph : std::uint32_t { kNode = 1, kGraphName = 2, kInitializer = 5, kInput = 11, kOutput = 12 };
enum Node : std::uint32_t { kNodeInput = 1, kNodeOutput = 2, kNodeName = 3, kOpType = 4, kAttribute = 5 };
enum Attribute : std::uint32_t { kAttributeName = 1, kF = 2, kI = 3, kS = 4, kInts = 8, kAttributeType = 20 };
enum AttributeKind : std::int64_t { kFloatKind = 1, kIntKind = 2, kIntsKind = 7 };
enum Tensor : std::uint32_t {
  kDims = 1,
  kDataType = 2,
  kFloatData = 4,
  kInt32Data = 5,
  kTensorName = 8,
  kRawData = 9,
  kDoubleData = 10,
  kExternalData = 13,
  kDataLocation = 14
};
enum DataType : std::uint64_t { kFloat = 1 };

[[noreturn]] void malformed(const std::string& message) { throw Error(Kind::kMalformed, "onnx: " + message); }

std::string text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

/// Calls field(number, wire type, reader) for every field; what it returns false for is skipped.
template <class F>
void each_field(Bytes message, F&& field) {
  wire::Reader in(message);
  while (!in.done()) {
    const wire::Tag tag = in.tag();
    if (!field(tag, in)) in.skip(tag);
  }
}

template <class T>
void append(std::vector<T>& list, T value, std::size_t most, const char* what) {
  if (list.size() == most) throw Error(Kind::kLimit, fmt::format("onnx: more than {} {}", most, what));
  list.push_back(std::move(value));
}

/// A repeated integer, whether packed or not.
void append_integers(std::vector<std::int64_t>& list, wire::Tag tag, wire::Reader& in, std::size_t most,
                     const char* what) {
  if (tag.type == wire::kVarint) return append(list, static_cast<std::int64_t>(in.varint()), most, what);
  if (tag.type != wire::kBytes) malformed(fmt::format("{} of wire type {}", what, tag.type));
  wire::Reader packed(in.bytes());
  while (!packed.done()) append(list, static_cast<std::int64_t>(packed.varint()), most, what);
}

std::pair<std::string, OnnxAttribute> attribute_of(Bytes message) {
  std::pair<std::string, OnnxAttribute> out;
  each_field(message, [&](wire::Tag tag, wire::Reader& in) {
    if (tag.field == kAttributeName && tag.type == wire::kBytes) {
      out.first = text_of(in.bytes());
    } else if (tag.field == kF && tag.type == wire::kFixed32) {
      std::memcpy(&out.second.number, in.scalar(tag.type).data(), sizeof(float));
    } else if (tag.field == kI && tag.type == wire::kVarint) {
      out.second.integer = static_cast<std::int64_t>(in.varint());
    } else if (tag.field == kS && tag.type == wire::kBytes) {
      out.second.text = text_of(in.bytes());
    } else if (tag.field == kInts) {
      append_integers(out.second.integers, tag, in, kMaxOfNode, "integers of an attribute");
    } else {
      return false;
    }
    return true;
  });
  return out;
}

OnnxNode node_of(Bytes message) {
  OnnxNode out;
  each_field(message, [&](wire::Tag tag, wire::Reader& in) {
    if (tag.type != wire::kBytes) return false;
    if (tag.field == kNodeInput) {
      append(out.inputs, text_of(in.bytes()), kMaxOfNode, "inputs of a node");
    } else if (tag.field == kNodeOutput) {
      append(out.outputs, text_of(in.bytes()), kMaxOfNode, "outputs of a node");
    } else if (tag.field == kNodeName) {
      out.name = text_of(in.bytes());
    } else if (tag.field == kOpType) {
      out.op = text_of(in.bytes());
    } else if (tag.field == kAttribute) {
      if (out.attributes.size() == kMaxOfNode) throw Error(Kind::kLimit, "onnx: a node of more than 64 attributes");
      out.attributes.insert(attribute_of(in.bytes()));
    } else {
      return false;
    }
    return true;
  });
  return out;
}

/// A tensor's fields before it is known what they mean together.
struct TensorFields {
  std::string name;
  std::vector<std::int64_t> shape;
  std::uint64_t type = 0;
  bool external = false;
  bool other_form = false;  // numbers as varints
  int pieces = 0;           // of numbers in the file's bytes
  Bytes numbers;
};

TensorFields fields_of(Bytes message) {
  TensorFields out;
  each_field(message, [&](wire::Tag tag, wire::Reader& in) {
    if (tag.field == kDims) {
      append_integers(out.shape, tag, in, kMaxDimensions, "dimensions of a tensor");
    } else if (tag.field == kDataType && tag.type == wire::kVarint) {
      out.type = in.varint();
    } else if (tag.field == kTensorName && tag.type == wire::kBytes) {
      out.name = text_of(in.bytes());
    } else if (tag.field == kRawData || tag.field == kFloatData || tag.field == kDoubleData) {
      // One packed piece is how every writer puts them; only then they are a span.
      out.numbers = tag.type == wire::kBytes ? in.bytes() : in.scalar(tag.type);
      ++out.pieces;
    } else if (tag.field == kExternalData) {
      out.external = true;
      return false;
    } else if (tag.field == kDataLocation && tag.type == wire::kVarint) {
      out.external = in.varint() == 1 || out.external;
    } else {
      out.other_form = out.other_form || tag.field == kInt32Data;
      return false;
    }
    return true;
  });
  return out;
}

bool element_type(std::uint64_t data_type, ElementType& out) {
  switch (data_type) {
    case kFloat:
      out = ElementType::kFloat32;
      return true;
    case 2:
      out = ElementType::kUint8;
      return true;
    case 3:
      out = ElementType::kInt8;
      return true;
    case 6:
      out = ElementType::kInt32;
      return true;
    case 7:
      out = ElementType::kInt64;
      return true;
    case 9:
      out = ElementType::kBool;
      return true;
    case 10:
      out = ElementType::kFloat16;
      return true;
    case 11:
      out = ElementType::kFloat64;
      return true;
    case 16:
      out = ElementType::kBFloat16;
      return true;
    default:
      return false;
  }
}

bool floating(ElementType type) {
  return type == ElementType::kFloat32 || type == ElementType::kFloat64 || type == ElementType::kFloat16 ||
         type == ElementType::kBFloat16;
}

void add_initializer(OnnxModel& model, Bytes message) {
  TensorFields fields = fields_of(message);
  TensorView view{.name = std::move(fields.name), .type = {}, .shape = std::move(fields.shape), .bytes = {}};
  if (fields.external)
    malformed(fmt::format("{:.200}: its numbers lie in another file; save the model in one file", view.name));
  if (!element_type(fields.type, view.type)) return;
  const auto size = checked_size("onnx: " + view.name, view.shape, view.type, message.size());
  if (fields.pieces == 0 && !floating(view.type)) return;  // as varints: shapes and axes, no weights
  if (fields.pieces == 0 && fields.other_form)
    malformed(fmt::format("{:.200}: {} numbers in int32_data; use raw_data", view.name, name_of(view.type)));
  if (fields.pieces > 1) malformed(fmt::format("{:.200}: its numbers lie in several pieces", view.name));
  if (fields.numbers.size() != size * bytes_of(view.type))
    malformed(fmt::format("{:.200}: shape [{}] of {} is not {} bytes", view.name, fmt::join(view.shape, ", "),
                          name_of(view.type), fields.numbers.size()));
  view.bytes = fields.numbers;
  append(model.initializers, std::move(view), kMaxArrays, "initializers");
}

std::string name_of_value(Bytes message) {
  std::string name;
  each_field(message, [&](wire::Tag tag, wire::Reader& in) {
    if (tag.field != 1 || tag.type != wire::kBytes) return false;
    name = text_of(in.bytes());
    return true;
  });
  return name;
}

void read_graph(OnnxModel& model, Bytes message) {
  each_field(message, [&](wire::Tag tag, wire::Reader& in) {
    if (tag.type != wire::kBytes) return false;
    if (tag.field == kNode) {
      append(model.nodes, node_of(in.bytes()), kMaxNodes, "nodes");
    } else if (tag.field == kInitializer) {
      add_initializer(model, in.bytes());
    } else if (tag.field == kInput) {
      append(model.inputs, name_of_value(in.bytes()), kMaxArrays, "inputs");
    } else if (tag.field == kOutput) {
      append(model.outputs, name_of_value(in.bytes()), kMaxArrays, "outputs");
    } else {
      return false;
    }
    return true;
  });
}

void put_integer(std::string& out, std::uint32_t field, std::int64_t value) {
  wire::put_varint(out, field << 3 | wire::kVarint);
  wire::put_varint(out, static_cast<std::uint64_t>(value));
}

void put_float(std::string& out, std::uint32_t field, float value) {
  wire::put_varint(out, field << 3 | wire::kFixed32);
  const auto bits = std::bit_cast<std::uint32_t>(value);
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(bits >> (8 * i)));
}

std::string encoded_value(const std::string& name, std::span<const std::int64_t> shape) {
  std::string dimensions, dimension;
  wire::put_bytes(dimension, 2, "batch");  // dim_param: any size
  wire::put_bytes(dimensions, 1, dimension);
  for (const std::int64_t n : shape) {
    dimension.clear();
    put_integer(dimension, 1, n);
    wire::put_bytes(dimensions, 1, dimension);
  }
  std::string tensor, type, out;
  put_integer(tensor, 1, kFloat);
  wire::put_bytes(tensor, 2, dimensions);
  wire::put_bytes(type, 1, tensor);
  wire::put_bytes(out, 1, name);
  wire::put_bytes(out, 2, type);
  return out;
}

/// A tensor up to its numbers, which are the rest of it.
std::string encoded_head(const ArrayRef& array) {
  std::string out;
  for (const std::int64_t n : array.shape) put_integer(out, kDims, n);
  put_integer(out, kDataType, kFloat);
  wire::put_bytes(out, kTensorName, array.name);
  wire::put_varint(out, kRawData << 3 | wire::kBytes);
  wire::put_varint(out, array.values.size_bytes());
  return out;
}

}  // namespace

std::int64_t OnnxNode::integer(const std::string& attribute, std::int64_t otherwise) const {
  const auto found = attributes.find(attribute);
  return found == attributes.end() ? otherwise : found->second.integer;
}

float OnnxNode::number(const std::string& attribute, float otherwise) const {
  const auto found = attributes.find(attribute);
  return found == attributes.end() ? otherwise : found->second.number;
}

std::vector<std::int64_t> OnnxNode::integers(const std::string& attribute, std::vector<std::int64_t> otherwise) const {
  const auto found = attributes.find(attribute);
  return found == attributes.end() ? std::move(otherwise) : found->second.integers;
}

OnnxModel read_onnx(std::span<const std::byte> bytes) {
  OnnxModel model;
  bool has_graph = false;
  try {
    each_field(bytes, [&](wire::Tag tag, wire::Reader& in) {
      if (tag.type != wire::kBytes) return false;
      if (tag.field == kProducer) {
        model.producer = text_of(in.bytes());
      } else if (tag.field == kGraph) {
        if (has_graph) malformed("it has two graphs");
        has_graph = true;
        read_graph(model, in.bytes());
      } else {
        return false;
      }
      return true;
    });
  } catch (const wire::Problem& problem) {
    malformed(problem.text);
  }
  if (!has_graph) malformed("it has no graph: not an ONNX model");
  return model;
}

void OnnxWriter::node(const std::string& op, const std::string& name, std::span<const std::string> inputs,
                      const Attributes& attributes) {
  std::string out;
  for (const std::string& input : inputs) wire::put_bytes(out, kNodeInput, input);
  wire::put_bytes(out, kNodeOutput, name);
  wire::put_bytes(out, kNodeName, name);
  wire::put_bytes(out, kOpType, op);
  const auto attribute = [&](const std::string& key, AttributeKind kind, auto&& put_value) {
    std::string encoded;
    wire::put_bytes(encoded, kAttributeName, key);
    put_value(encoded);
    put_integer(encoded, kAttributeType, kind);
    wire::put_bytes(out, kAttribute, encoded);
  };
  for (const auto& entry : attributes.lists)
    attribute(entry.first, kIntsKind, [&](std::string& to) {
      for (const std::int64_t value : entry.second) put_integer(to, kInts, value);
    });
  for (const auto& entry : attributes.integers)
    attribute(entry.first, kIntKind, [&](std::string& to) { put_integer(to, kI, entry.second); });
  for (const auto& entry : attributes.numbers)
    attribute(entry.first, kFloatKind, [&](std::string& to) { put_float(to, kF, entry.second); });
  wire::put_bytes(nodes_, kNode, out);
}

void OnnxWriter::write(const std::string& graph_name, const ByteSink& sink) const {
  // A message begins with its length, so every length is known before the first number is written.
  std::string name, values;
  wire::put_bytes(name, kGraphName, graph_name);
  wire::put_bytes(values, kInput, encoded_value(input_.name, input_.shape));
  wire::put_bytes(values, kOutput, encoded_value(output_.name, output_.shape));
  std::vector<std::string> heads;
  std::uint64_t graph_size = nodes_.size() + name.size() + values.size();
  for (const ArrayRef& array : initializers_) {
    const std::string head = encoded_head(array);
    std::string prefix;
    wire::put_varint(prefix, kInitializer << 3 | wire::kBytes);
    wire::put_varint(prefix, head.size() + array.values.size_bytes());
    heads.push_back(prefix + head);
    graph_size += heads.back().size() + array.values.size_bytes();
  }
  if (graph_size > std::numeric_limits<std::int32_t>::max())
    throw Error(Kind::kLimit, "onnx: the model is larger than the 2 GiB that the form allows");

  std::string opset, out;
  put_integer(opset, 2, kOpset);
  put_integer(out, kIr, kIrVersion);
  wire::put_bytes(out, kProducer, "clary");
  wire::put_bytes(out, kOpsetImport, opset);
  wire::put_varint(out, kGraph << 3 | wire::kBytes);
  wire::put_varint(out, graph_size);
  out += nodes_ + name;
  sink(std::as_bytes(std::span(out)));
  for (std::size_t i = 0; i < heads.size(); ++i) {
    sink(std::as_bytes(std::span(heads[i])));
    sink(std::as_bytes(initializers_[i].values));
  }
  sink(std::as_bytes(std::span(values)));
}

}  // namespace clary::artifact
