// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/plan.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <numeric>

#include "learning/numeric/index.h"

namespace clary::nn::onednn {
namespace {

using numeric::at;

constexpr std::size_t kAlignment = 4096;  // of tensors: pages, which also keeps them off each other's cache lines
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t rounded_up(std::size_t n, std::size_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

Tensor Plan::reserve(const Desc& desc) {
  buffers_.push_back({.region = Region::kArena, .bytes = rounded_up(bytes(desc), kAlignment)});
  return {desc, static_cast<int>(buffers_.size()) - 1};
}

Tensor Plan::fixed(const Desc& desc, Region region, std::int64_t offset) {
  buffers_.push_back({.region = region, .bytes = bytes(desc), .offset = at(offset)});
  return {desc, static_cast<int>(buffers_.size()) - 1};
}

/// Called before the step that uses the tensor is appended.
void Plan::use(const Tensor& tensor) {
  Buffer& buffer = buffers_[at(tensor.buffer)];
  const int step = static_cast<int>(steps_.size());
  if (buffer.first < 0) buffer.first = step;
  buffer.last = step;
}

void Plan::add(const dnnl::primitive_desc_base& primitive, Arguments arguments) {
  if (const Desc scratch = primitive.scratchpad_desc(); bytes(scratch) > 0)
    arguments.emplace_back(DNNL_ARG_SCRATCHPAD, reserve(scratch));
  for (const auto& [argument, tensor] : arguments) use(tensor);
  steps_.push_back({.description = primitive, .arguments = std::move(arguments)});
}

void Plan::add(Function function, const std::vector<Tensor>& uses) {
  for (const Tensor& tensor : uses) use(tensor);
  steps_.push_back({.function = std::move(function)});
}

Tensor Plan::in_layout(const Tensor& tensor, const Desc& desc) {
  return tensor.desc == desc ? tensor : copy(tensor, desc);
}

Tensor Plan::copy(const Tensor& tensor, const Desc& desc) {
  const Tensor result = reserve(desc);
  add(dnnl::reorder::primitive_desc(engine(), tensor.desc, engine(), desc, primitive_attributes()),
      {{DNNL_ARG_FROM, tensor}, {DNNL_ARG_TO, result}});
  return result;
}

/// Largest first, each at the lowest offset where no tensor lies that is alive at the same time: within a few percent
/// of the peak of what is alive at once, which nothing can go below.
void Plan::finish() {
  std::vector<int> order;
  for (std::size_t i = 0; i < buffers_.size(); ++i)
    if (buffers_[i].region == Region::kArena && buffers_[i].first >= 0) order.push_back(static_cast<int>(i));
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](int i) { return buffers_[at(i)].bytes; });

  std::vector<const Buffer*> placed;  // by offset
  for (const int number : order) {
    Buffer& buffer = buffers_[at(number)];
    std::size_t offset = 0;
    for (const Buffer* other : placed) {
      if (other->last < buffer.first || other->first > buffer.last) continue;
      if (other->offset >= offset + buffer.bytes) break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    buffer.offset = offset;
    arena_bytes_ = std::max(arena_bytes_, static_cast<std::int64_t>(offset + buffer.bytes));
    placed.insert(std::ranges::upper_bound(placed, offset, {}, &Buffer::offset), &buffer);
  }
}

void Plan::compile() {
  for (Step& step : steps_)
    if (!step.function) step.primitive = dnnl::primitive(step.description.get());
}

void Plan::compile(numeric::Team& team) {
  team.run_units(std::ssize(steps_), [&](std::int64_t i) {
    Step& step = steps_[at(i)];
    const ThreadCount one(1);
    if (!step.function) step.primitive = dnnl::primitive(step.description.get());
  });
}

Execution::Execution(const Plan& plan) : plan_(plan), stream_(engine()) {
  steps_.reserve(plan.steps_.size());
  for (const Plan::Step& step : plan.steps_) {
    Bound bound;
    for (const auto& [argument, tensor] : step.arguments) {
      const memory object(tensor.desc, engine(), nullptr);
      bound.arguments.emplace(argument, object);
      bound.buffers.emplace_back(object, tensor.buffer);
    }
    steps_.push_back(std::move(bound));
  }
}

std::byte* Execution::address(int buffer) const {
  const Plan::Buffer& b = plan_.buffers_[numeric::at(buffer)];
  return bases_[static_cast<std::size_t>(b.region)] + b.offset;
}

void Execution::bind(const Bases& bases) {
  if (bases == bases_) return;
  bases_ = bases;
  for (Bound& step : steps_)
    for (auto& [object, buffer] : step.buffers) object.set_data_handle(address(buffer));
}

void Execution::run(Call& call) {
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Plan::Step& step = plan_.steps_[i];
    if (step.function)
      step.function(*this, call);
    else
      step.primitive.execute(stream_, steps_[i].arguments);
  }
  stream_.wait();
}

void Arena::Free::operator()(std::byte* p) const { std::free(p); }

void Arena::reserve(std::int64_t bytes) {
  if (bytes <= size_) return;
  memory_.reset();  // before the larger one is taken: both might not fit
  size_ = 0;
  const std::size_t size = rounded_up(at(bytes), kHugePage);
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(kHugePage, size));
  if (memory == nullptr) throw std::bad_alloc();
  madvise(memory, size, MADV_HUGEPAGE);  // fewer misses of the TLB; refused where the system has none
  memory_.reset(memory);
  size_ = static_cast<std::int64_t>(size);
}

}  // namespace clary::nn::onednn
