// SPDX-License-Identifier: Apache-2.0
// A model folder of a stranger: model.json and safetensors, or Sockeye's config and params. Memory is taken for what
// the weights' file holds and not for what is said of it. Input: four bytes with the length of the text, the text, the
// weights.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "algorithms/seq2seq/model/artifact.h"
#include "algorithms/seq2seq/model/sockeye.h"
#include "algorithms/seq2seq/model/testing_models.h"
#include "base/error.h"

namespace {

using namespace clary::seq2seq;

void check(const Model& model, std::size_t bytes) {
  // Arrays may be shared (tied weights) and of half precision.
  if (static_cast<std::size_t>(model.parameters.learned()) > 6 * bytes) std::abort();
  if (model.source.size() != model.architecture.source_vocabulary) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Vocabulary source = testing_vocabulary(11, "s"), target = testing_vocabulary(13, "t");
  std::uint32_t length = 0;
  if (size < sizeof length) return 0;
  std::memcpy(&length, data, sizeof length);
  const std::size_t text_size = std::min<std::size_t>(length, size - sizeof length);
  const std::string_view text(reinterpret_cast<const char*>(data) + sizeof length, text_size);
  const auto weights = std::as_bytes(std::span(data, size)).subspan(sizeof length + text_size);
  try {
    check(read_model(text, weights, source, target), weights.size());
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed) std::abort();
  }
  try {
    check(read_sockeye("params.best", weights, text, source, target), weights.size());
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed && error.kind() != clary::Kind::kInvalid) std::abort();
  }
  return 0;
}
