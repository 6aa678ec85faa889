// SPDX-License-Identifier: Apache-2.0
// The learned numbers of a model in one flat float32 array, tensor after tensor, so that an optimizer's step, a
// checkpoint or a check for NaN is one loop. Layouts are PyTorch's: linear [out, in], gates stacked [gates * H, in],
// convolutions [out, in, width], embeddings [V, E]; an attention's v is [1, A].
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/seq2seq/model/architecture.h"
#include "learning/numeric/floats.h"

namespace clary::seq2seq {

/// How a tensor starts (parameters.cpp: initialise).
enum class Start { kWeight, kRecurrent, kZero };

struct Tensor {
  std::string name;  // "encoder.l0.fwd.weight_ih"
  std::vector<std::int64_t> shape;
  Start start = Start::kWeight;
  std::int64_t offset = 0;  // of its first value; a multiple of numeric::kPad
  std::int64_t size = 0;

  /// Weight decay applies to weights, not to biases (MXNet's optimizers).
  bool decays() const { return start != Start::kZero; }
};

enum class WeightInit { kXavier, kUniform };
enum class XavierFactor { kIn, kOut, kAvg };

/// xavier: U(-b, b), b = sqrt(scale / n), n of the tensor [out, in, width]: in * width, out * width, or their mean
/// (MXNet's Xavier). uniform: U(-scale, scale).
struct InitOptions {
  WeightInit type = WeightInit::kXavier;
  XavierFactor factor = XavierFactor::kIn;
  double scale = 2.34;
};

class Parameters {
 public:
  Parameters() = default;
  /// All zero.
  explicit Parameters(const Architecture& architecture);
  /// The tensors of such a model without memory for their numbers.
  static std::vector<Tensor> tensors(const Architecture& architecture);
  /// Their learned numbers.
  static std::int64_t learned(const Architecture& architecture);

  const std::vector<Tensor>& list() const { return list_; }
  /// nullptr when there is none of that name.
  const Tensor* find(std::string_view name) const;

  /// The flat array, padding (zeros) included.
  std::span<float> values() { return values_; }
  std::span<const float> values() const { return values_; }
  std::span<float> of(const Tensor& tensor) {
    return {values_.data() + tensor.offset, static_cast<std::size_t>(tensor.size)};
  }
  std::span<const float> of(const Tensor& tensor) const {
    return {values_.data() + tensor.offset, static_cast<std::size_t>(tensor.size)};
  }
  /// The numbers of a tensor that must be there. @throws Error{kInternal}
  std::span<const float> of(std::string_view name) const;
  const Tensor& tensor(std::string_view name) const;

  /// Learned numbers, without padding.
  std::int64_t learned() const { return learned(list_); }

  /// Weights as InitOptions say; recurrent (hidden to hidden) matrices have orthonormal columns times 1.414 over the
  /// whole stack of gates (MXNet's Orthogonal, as Sockeye 1.10 asks for); biases zero. Same seed, same numbers.
  void initialise(const InitOptions& options, std::uint64_t seed);

 private:
  static std::int64_t learned(std::span<const Tensor> list);
  void add(std::string name, std::vector<std::int64_t> shape, Start start);
  void add_all(const Architecture& a);
  void add_cell(const std::string& prefix, const Architecture& a, std::int64_t in, std::int64_t units);
  void add_rnn_encoder(const Architecture& a);
  void add_rnn_decoder(const Architecture& a);
  void add_attention(const Architecture& a);
  void add_cnn(const std::string& side, const Architecture& a, std::int64_t embed, std::int64_t positions,
               std::int64_t layers, std::int64_t kernel_width);

  std::vector<Tensor> list_;
  numeric::Floats values_;
};

}  // namespace clary::seq2seq
