// SPDX-License-Identifier: Apache-2.0
// What every file of this folder needs of oneDNN: the engine, short names, the number of threads of a call, errors.
// Internal: nothing outside the folder includes oneDNN.
#pragma once

#include <omp.h>

#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <utility>

#include "base/error.h"
#include "learning/nn/graph.h"

namespace clary::nn::onednn {

using dnnl::memory;
using Desc = memory::desc;
using Format = memory::format_tag;
using Type = memory::data_type;

/// The one CPU engine of the process.
const dnnl::engine& engine();

/// [pictures, C, H, W] in a format that the primitive may choose, or in the given one.
Desc map_desc(std::int64_t pictures, const MapShape& shape, Type type, Format format = Format::any);

/// Scratch memory is passed by the caller (plan.h) instead of being kept by every primitive.
dnnl::primitive_attr primitive_attributes();

/// Bytes, padding of blocked formats included.
inline std::size_t bytes(const Desc& desc) { return desc.get_size(); }

/// The calling thread's OpenMP sections, which are oneDNN's, have `threads` threads during this object's life. oneDNN
/// plans for that number too: a primitive is created and run under the same.
class ThreadCount {
 public:
  explicit ThreadCount(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;
  ~ThreadCount() { omp_set_num_threads(before_); }

 private:
  int before_;
};

/// Calls f. @throws Error{kInternal} in place of oneDNN's own exception
template <class F>
auto guarded(F&& f) {
  try {
    return std::forward<F>(f)();
  } catch (const dnnl::error& error) {
    throw Error(Kind::kInternal, std::string("oneDNN: ") + error.what());
  }
}

}  // namespace clary::nn::onednn
