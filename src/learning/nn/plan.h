// SPDX-License-Identifier: Apache-2.0
// A fixed sequence of steps (oneDNN primitives and functions of our own) over tensors, whose memory is planned before
// anything is allocated: tensors that are never needed at the same time share bytes of one arena. A Plan does not
// change once it is finished, and may be executed by many threads at once, each with an Execution of its own. Internal.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "learning/nn/network.h"
#include "learning/nn/onednn.h"
#include "learning/numeric/team.h"

namespace clary::nn::onednn {

/// Memory that tensors lie in. The arena is planned; the others are flat arrays of the plan's owner.
enum class Region { kArena, kValues, kGradients, kStatistics, kConstants };
constexpr std::size_t kRegions = 5;

/// First byte of each region, in the order of Region; null for those that a plan does not use.
using Bases = std::array<std::byte*, kRegions>;

/// Numbers of one layout; cheap to copy. Two tensors may share a buffer (a primitive that works in place).
struct Tensor {
  Desc desc;
  int buffer = -1;
};

/// What differs from one execution of a plan to the next.
struct Call {
  PictureBatch batch;
  float scale = 1;
  std::span<float> logits;
  std::span<float> largest{};  // by operation: raised to the largest value of its output, by plans that measure
  double loss = 0;             // set by the plan
};

class Execution;

class Plan {
 public:
  /// Addresses of tensors and the call's arguments, for a step that is a function.
  using Function = std::function<void(const Execution&, Call&)>;
  using Arguments = std::vector<std::pair<int, Tensor>>;  // DNNL_ARG_..., tensor

  /// A tensor in the arena, alive from the first to the last step that uses it.
  Tensor reserve(const Desc& desc);
  /// A tensor at `offset` bytes of a flat array.
  Tensor fixed(const Desc& desc, Region region, std::int64_t offset);
  /// Two layouts of one buffer.
  static Tensor view(const Tensor& tensor, const Desc& desc) { return {desc, tensor.buffer}; }

  /// Appends a primitive, and a tensor for its scratch memory (it must have been made with primitive_attributes()).
  void add(const dnnl::primitive_desc_base& primitive, Arguments arguments);
  void add(Function function, const std::vector<Tensor>& uses);
  /// `tensor` itself when it has that layout already, else a new tensor and a step that fills it.
  Tensor in_layout(const Tensor& tensor, const Desc& desc);

  /// A new tensor with those values in any case.
  Tensor copy(const Tensor& tensor, const Desc& desc);

  /// Places the arena's tensors. No step may be added afterwards.
  void finish();
  /// Generates the primitives' code; once, before the first execution.
  void compile();
  /// The same with many threads, for executions that use one.
  void compile(numeric::Team& team);
  std::int64_t arena_bytes() const { return arena_bytes_; }

 private:
  friend class Execution;
  struct Buffer {
    Region region = Region::kArena;
    std::size_t bytes = 0, offset = 0;
    int first = -1, last = -1;  // steps that use it
  };
  struct Step {
    dnnl::primitive_desc_base description{};
    dnnl::primitive primitive{};  // made by compile()
    Arguments arguments{};
    Function function{};
  };

  void use(const Tensor& tensor);

  std::vector<Buffer> buffers_;
  std::vector<Step> steps_;
  std::int64_t arena_bytes_ = 0;
};

/// A plan's tensors at real addresses, for one thread at a time. The plan must outlive it.
class Execution {
 public:
  explicit Execution(const Plan& plan);

  /// Addresses for the runs that follow; cheap when they are those of the last run.
  void bind(const Bases& bases);
  void run(Call& call);

  template <class T>
  T* at(const Tensor& tensor) const {
    return reinterpret_cast<T*>(address(tensor.buffer));
  }
  dnnl::stream& stream() const { return stream_; }

 private:
  std::byte* address(int buffer) const;

  const Plan& plan_;
  Bases bases_{};
  mutable dnnl::stream stream_;
  struct Bound {
    std::unordered_map<int, memory> arguments;
    std::vector<std::pair<memory, int>> buffers;  // to be given new addresses
  };
  std::vector<Bound> steps_;
};

/// Memory that is written before it is read: pages come from the system at first touch, in 2 MiB pages where it has
/// them.
class Arena {
 public:
  Arena() = default;
  /// Grows to at least that size; contents are lost then.
  void reserve(std::int64_t bytes);
  std::byte* data() const { return memory_.get(); }
  std::int64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::int64_t size_ = 0;
};

}  // namespace clary::nn::onednn
