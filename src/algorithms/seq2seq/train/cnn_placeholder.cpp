// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/train/parts.h"
#include "base/error.h"

namespace clary::seq2seq {
namespace {

[[noreturn]] void refuse() { throw Error(Kind::kInternal, "seq2seq: convolutional parts are not built in"); }

}  // namespace

std::unique_ptr<Encoder> make_cnn_encoder(const Architecture&, const Dropout&) { refuse(); }
std::unique_ptr<Decoder> make_cnn_decoder(const Architecture&, const Dropout&) { refuse(); }
std::int64_t cnn_encoder_floats(const Architecture&, const BatchShape&) { refuse(); }
std::int64_t cnn_decoder_floats(const Architecture&, const BatchShape&) { refuse(); }

}  // namespace clary::seq2seq
