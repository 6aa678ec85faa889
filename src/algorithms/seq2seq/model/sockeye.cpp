// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/model/sockeye.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/seq2seq/model/architecture_json.h"
#include "algorithms/seq2seq/model/sockeye_config.h"
#include "algorithms/seq2seq/model/weights.h"
#include "base/error.h"
#include "base/files.h"
#include "learning/artifact/mxnet_params.h"

namespace clary::seq2seq {
namespace {

namespace fs = std::filesystem;

constexpr const char *kBest = "params.best", *kConfig = "config";
constexpr std::string_view kParams = "params.";
constexpr std::uint64_t kMaxConfig = 1 << 20, kMaxVocabulary = 512 << 20;
constexpr std::int64_t kMaxLayers = 1000;
constexpr const char *kEncoderSection = "config_encoder", *kDecoderSection = "config_decoder",
                     *kAttentionSection = "attention_config";

/// Suffixes of a gate's arrays, in the order in which the gates are stacked (MXNet 0.12, rnn_cell.py). The last one of
/// GRU is the new state, n in this program's formulas.
constexpr std::array<const char*, 4> kLstmGates{"_i", "_f", "_c", "_o"};
constexpr std::array<const char*, 3> kGruGates{"_r", "_z", "_o"};

[[noreturn]] void unsupported(const std::string& what) {
  throw Error(Kind::kInvalid, "a Sockeye model with " + what + " cannot be hosted");
}

/// Names of Sockeye's arrays for the tensors of an architecture.
class Names {
 public:
  Names(const WeightFile& file, const Architecture& a) : a_(a) {
    tied_embeddings_ = file.has("source_target_embed_weight");
    tied_output_ = !file.has(output("weight"));
  }

  std::vector<std::string> of(const Tensor& tensor) const {
    const std::string& name = tensor.name;
    if (name == "source_embed.weight") return {embedding("source")};
    if (name == "target_embed.weight") return {embedding("target")};
    if (name == "output.weight") return {tied_output_ ? embedding("target") : output("weight")};
    if (name == "output.bias") return {output("bias")};
    if (name == "encoder.pos") return {"source_pos_embed_weight"};
    if (name == "decoder.pos") return {"target_pos_embed_weight"};
    if (name.starts_with("attention.")) return {attention(name)};
    if (name.starts_with("decoder.hidden.")) return {"decoder_rnn_hidden_" + last_part(name)};
    if (name.starts_with("decoder.init.")) return {state(name)};
    if (name.find(".conv") != std::string::npos || name.ends_with(".in.weight")) return {convolution(name)};
    return gates(name);
  }

 private:
  static std::string last_part(const std::string& name) { return name.substr(name.rfind('.') + 1); }

  std::string embedding(const std::string& side) const {
    return tied_embeddings_ ? "source_target_embed_weight" : side + "_embed_weight";
  }

  std::string output(const std::string& part) const {
    return fmt::format("decoder_{}_cls_{}", a_.decoder == NetworkType::kRnn ? "rnn" : "cnn", part);
  }

  std::string attention(const std::string& name) const {
    if (name == "attention.v.weight") return "att_h2s_weight";
    const bool source = name == "attention.source.weight";
    if (a_.attention == Attention::kMlp) return source ? "att_e2h_weight" : "att_q2h_weight";
    if (a_.attention == Attention::kDot) return source ? "att_s2h_weight" : "att_t2h_weight";
    return "att_s2t_weight";
  }

  /// "decoder.init.2.c.bias": states are numbered over the layers, of LSTM h and then c.
  std::string state(const std::string& name) const {
    std::int64_t layer = 0;
    const char* const begin = name.data() + std::string_view("decoder.init.").size();
    const char* const end = std::from_chars(begin, name.data() + name.size(), layer).ptr;
    const std::int64_t states = a_.cell == Cell::kLstm ? 2 : 1;
    return fmt::format("decoder_rnn_enc2decinit_{}_{}", layer * states + (end[1] == 'c' ? 1 : 0), last_part(name));
  }

  /// "encoder.in.weight", "decoder.conv3.bias"
  static std::string convolution(const std::string& name) {
    const std::string side = name.substr(0, name.find('.'));
    if (name.ends_with(".in.weight")) return side + "_cnn_i2h_weight";
    const std::size_t digits = name.find(".conv") + 5;
    return fmt::format("{}_cnn_{}_conv_{}", side, name.substr(digits, name.find('.', digits) - digits),
                       last_part(name));
  }

  /// "encoder.l2.weight_hh": an array for each gate.
  std::vector<std::string> gates(const std::string& name) const {
    const std::string part = last_part(name);  // weight_ih, bias_hh, ...
    const std::string cell = name.substr(0, name.rfind('.'));
    const std::string group = part.ends_with("_ih") ? "i2h" : "h2h", kind = part.substr(0, part.find('_'));
    std::vector<std::string> out;
    const auto add = [&](const char* gate) {
      out.push_back(fmt::format("{}{}{}_{}", cell_prefix(cell), group, gate, kind));
    };
    if (a_.cell == Cell::kLstm)
      for (const char* gate : kLstmGates) add(gate);
    else
      for (const char* gate : kGruGates) add(gate);
    return out;
  }

  static std::string cell_prefix(const std::string& cell) {
    if (cell == "encoder.l0.fwd") return "encoder_birnn_forward_l0_";
    if (cell == "encoder.l0.bwd") return "encoder_birnn_reverse_l0_";
    const bool encoder = cell.starts_with("encoder.");
    std::int64_t layer = 0;
    std::from_chars(cell.data() + cell.rfind('l') + 1, cell.data() + cell.size(), layer);
    return fmt::format("{}_rnn_l{}_", encoder ? "encoder" : "decoder", layer - (encoder ? 1 : 0));
  }

  Architecture a_;
  bool tied_embeddings_ = false, tied_output_ = false;
};

/// How many of prefix0suffix, prefix1suffix, ... there are.
std::int64_t count_layers(const WeightFile& file, const std::string& prefix, const std::string& suffix) {
  std::int64_t layers = 0;
  while (file.has(fmt::format("{}{}{}", prefix, layers, suffix)))
    if (++layers > kMaxLayers)
      throw Error(Kind::kMalformed, fmt::format("{}0, ...: more than {} layers", prefix, kMaxLayers));
  return layers;
}

/// What the arrays' names and shapes say.
class Shapes {
 public:
  explicit Shapes(const WeightFile& file) : file_(file) {}

  Architecture architecture(const SockeyeConfig& config) {
    read_kinds();
    read_sizes();
    if (a_.encoder == NetworkType::kRnn)
      a_.encoder_layers = 1 + count_layers(file_, "encoder_rnn_l", std::string("_i2h") + gate() + "_weight");
    if (a_.decoder == NetworkType::kRnn) read_rnn_decoder(config);
    if (a_.encoder == NetworkType::kCnn) read_convolutions("encoder", a_.encoder_layers, a_.kernel_width_encoder);
    if (a_.decoder == NetworkType::kCnn) read_convolutions("decoder", a_.decoder_layers, a_.kernel_width_decoder);
    return a_;
  }

 private:
  const char* gate() const { return a_.cell == Cell::kLstm ? kLstmGates[0] : kGruGates[0]; }

  void read_kinds() {
    const std::string forward = "encoder_birnn_forward_l0_i2h", decoder = "decoder_rnn_l0_i2h";
    const auto has_gate = [&](const char* name) {
      return file_.has(fmt::format("{}{}_weight", forward, name)) ||
             file_.has(fmt::format("{}{}_weight", decoder, name));
    };
    a_.cell = has_gate(kLstmGates[0]) || !has_gate(kGruGates[0]) ? Cell::kLstm : Cell::kGru;
    a_.encoder = file_.has("encoder_cnn_i2h_weight") ? NetworkType::kCnn : NetworkType::kRnn;
    a_.decoder = file_.has("decoder_cnn_i2h_weight") ? NetworkType::kCnn : NetworkType::kRnn;
  }

  void read_sizes() {
    const bool tied = file_.has("source_target_embed_weight");
    const auto& source = file_.shape(tied ? "source_target_embed_weight" : "source_embed_weight", 2);
    const auto& target = file_.shape(tied ? "source_target_embed_weight" : "target_embed_weight", 2);
    a_.source_vocabulary = source[0], a_.num_embed_source = source[1];
    a_.target_vocabulary = target[0], a_.num_embed_target = target[1];
    std::optional<std::int64_t> encoder_units;
    if (a_.encoder == NetworkType::kRnn)
      encoder_units = 2 * file_.shape("encoder_birnn_forward_l0_i2h" + std::string(gate()) + "_weight", 2)[0];
    if (a_.decoder == NetworkType::kRnn)
      a_.rnn_hidden = file_.shape("decoder_rnn_l0_i2h" + std::string(gate()) + "_weight", 2)[0];
    else if (encoder_units)
      a_.rnn_hidden = *encoder_units;
    if (encoder_units && *encoder_units != a_.rnn_hidden)
      unsupported(fmt::format("an encoder of {} units and a decoder of {}", *encoder_units, a_.rnn_hidden));
  }

  void read_rnn_decoder(const SockeyeConfig& config) {
    const std::string weight = "_i2h" + std::string(gate()) + "_weight";
    a_.decoder_layers = count_layers(file_, "decoder_rnn_l", weight);
    a_.attention_in_upper_layers =
        a_.decoder_layers > 1 && file_.shape("decoder_rnn_l1" + weight, 2)[1] > a_.rnn_hidden;
    if (a_.encoder == NetworkType::kCnn) a_.cnn_hidden = file_.shape("encoder_cnn_i2h_weight", 2)[0];
    read_attention(config.text("type", kAttentionSection));
  }

  void read_attention(std::optional<std::string_view> type) {
    a_.attention_hidden = a_.rnn_hidden;
    if (file_.has("att_h2s_weight")) {
      a_.attention = Attention::kMlp;
      a_.attention_hidden = file_.shape("att_h2s_weight", 2)[1];
    } else if (file_.has("att_s2t_weight")) {
      a_.attention = Attention::kBilinear;
    } else if (type == "fixed") {
      a_.attention = Attention::kFixed;
    } else {  // dot has arrays only where sizes differ
      a_.attention = Attention::kDot;
      for (const char* name : {"att_s2h_weight", "att_t2h_weight"})
        if (file_.has(name)) a_.attention_hidden = file_.shape(name, 2)[0];
      if (!type) throw Error(Kind::kMalformed, "config: attention_config names no type");
    }
    constexpr std::array<std::string_view, 4> kWords{"mlp", "dot", "bilinear", "fixed"};  // as Attention counts
    if (type && *type != kWords[static_cast<std::size_t>(a_.attention)])
      unsupported(fmt::format("attention of the type '{:.40}'", *type));
  }

  void read_convolutions(const std::string& side, std::int64_t& layers, std::int64_t& kernel_width) {
    a_.cnn_hidden = file_.shape(side + "_cnn_i2h_weight", 2)[0];
    layers = count_layers(file_, side + "_cnn_", "_conv_weight");
    if (layers > 0) kernel_width = file_.shape(side + "_cnn_0_conv_weight", 3)[2];
    const auto& positions = file_.shape(side == "encoder" ? "source_pos_embed_weight" : "target_pos_embed_weight", 2);
    (side == "encoder" ? a_.max_seq_len_source : a_.max_seq_len_target) = positions[0];
  }

  const WeightFile& file_;
  Architecture a_;
};

/// One switch for both sides; a side of one layer has none.
void read_residual(const SockeyeConfig& config, Architecture& a) {
  bool found = false;
  const auto read = [&](const char* section, NetworkType type, std::int64_t layers) {
    if (type != NetworkType::kRnn || layers < 2) return;
    const bool residual = config.flag("residual", section);
    const std::int64_t first = config.integer("first_residual_layer", section).value_or(2);
    if (found && (residual != a.residual || (residual && first != a.first_residual_layer)))
      unsupported("residual connections that differ between encoder and decoder");
    a.residual = residual, a.first_residual_layer = residual ? first : 2;
    found = true;
  };
  read(kEncoderSection, a.encoder, a.encoder_layers);
  read(kDecoderSection, a.decoder, a.decoder_layers);
}

ConvActivation activation_named(std::string_view word) {
  using enum ConvActivation;
  constexpr std::array<std::pair<std::string_view, ConvActivation>, 5> kWords{
      {{"glu", kGlu}, {"relu", kRelu}, {"softrelu", kSoftRelu}, {"sigmoid", kSigmoid}, {"tanh", kTanh}}};
  for (const auto& [name, meaning] : kWords)
    if (name == word) return meaning;
  unsupported(fmt::format("the activation '{:.40}'", word));
}

void read_activation(const SockeyeConfig& config, Architecture& a) {
  std::optional<std::string_view> encoder, decoder;
  if (a.encoder == NetworkType::kCnn) encoder = config.text("act_type", kEncoderSection);
  if (a.decoder == NetworkType::kCnn) decoder = config.text("act_type", kDecoderSection);
  if (encoder && decoder && *encoder != *decoder) unsupported("activations that differ between encoder and decoder");
  if (encoder || decoder) a.activation = activation_named(encoder ? *encoder : *decoder);
}

/// What changes the result without an array of its own.
void refuse_others(const SockeyeConfig& config) {
  for (const char* section :
       {"config_data", kEncoderSection, kDecoderSection, kAttentionSection, "rnn_config", "cnn_config"})
    config.text(section);  // an alias would hide what is in it
  for (const char* key : {"layer_normalization", "context_gating", "reverse_input", "weight_normalization", "lhuc",
                          "input_previous_word"})
    if (config.flag(key)) unsupported(key);
  for (const char* section : {kEncoderSection, kDecoderSection})
    if (const auto cell = config.text("cell_type", section); cell && *cell != "lstm" && *cell != "gru")
      unsupported(fmt::format("cells of the type '{:.40}'", *cell));
}

void read_rest(const SockeyeConfig& config, const WeightFile& file, Architecture& a) {
  read_residual(config, a);
  if (!file.has("decoder_rnn_enc2decinit_0_weight"))
    a.state_init = StateInit::kZero;
  else
    a.state_init = config.text("state_init").value_or("last") == "avg" ? StateInit::kAvg : StateInit::kLast;
  read_activation(config, a);
  // Of a convolutional side the table of positions has said it.
  const auto length = [&](const char* key, NetworkType type, std::int64_t& to) {
    if (type == NetworkType::kRnn) to = config.integer(key).value_or(to);
  };
  length("max_seq_len_source", a.encoder, a.max_seq_len_source);
  length("max_seq_len_target", a.decoder, a.max_seq_len_target);
}

double ratio_of(const SockeyeConfig& config, const char* key, double otherwise, const Architecture& a) {
  const double out = config.number(key).value_or(otherwise);
  if (out < 0 || out > static_cast<double>(a.max_seq_len_target))
    throw Error(Kind::kMalformed,
                fmt::format("config: {} is {}, must be from 0 to {}", key, out, a.max_seq_len_target));
  return out;
}

void check_size(const Vocabulary& vocabulary, const char* file, std::int64_t rows) {
  if (vocabulary.size() != rows)
    throw Error(Kind::kMalformed, fmt::format("{}: its largest id is {}, but the embedding has {} rows", file,
                                              vocabulary.size() - 1, rows));
}

/// params.best, else the last params.NNNNN; empty when there is none.
fs::path params_of(const fs::path& dir) {
  std::error_code error;
  if (fs::exists(dir / kBest, error)) return dir / kBest;
  std::string last;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const bool numbered = name.starts_with(kParams) && name.size() > kParams.size() &&
                          name.find_first_not_of("0123456789", kParams.size()) == std::string::npos;
    if (numbered && (name.size() > last.size() || (name.size() == last.size() && name > last))) last = name;
  }
  return last.empty() ? fs::path() : dir / last;
}

}  // namespace

bool is_sockeye_folder(const fs::path& dir) { return !params_of(dir).empty(); }

Model read_sockeye(const std::string& params_name, std::span<const std::byte> params, std::string_view config_text,
                   Vocabulary source, Vocabulary target) {
  const auto arrays = artifact::view_arrays(params);
  const WeightFile file(params_name, arrays, "arg:");
  const SockeyeConfig config(config_text);
  refuse_others(config);
  Model out;
  out.architecture = Shapes(file).architecture(config);
  read_rest(config, file, out.architecture);
  check_architecture(out.architecture, params_name);
  check_size(source, kSourceVocabularyFile, out.architecture.source_vocabulary);
  check_size(target, kTargetVocabularyFile, out.architecture.target_vocabulary);
  out.length_ratio_mean = ratio_of(config, "length_ratio_mean", 1, out.architecture);
  out.length_ratio_std = ratio_of(config, "length_ratio_std", 0, out.architecture);
  out.source = std::move(source), out.target = std::move(target);
  const Names names(file, out.architecture);
  out.parameters = file.parameters(out.architecture, [&](const Tensor& tensor) { return names.of(tensor); });
  return out;
}

Model read_sockeye_folder(const fs::path& dir) {
  for (const char* name : {kConfig, kSourceVocabularyFile, kTargetVocabularyFile}) {
    std::error_code error;
    if (!fs::exists(dir / name, error))
      throw Error(Kind::kNotFound, fmt::format("{} holds params of Sockeye but no {}", dir.string(), name));
  }
  const fs::path params = params_of(dir);
  const artifact::MappedFile mapped(params);
  return read_sockeye(params.filename().string(), mapped.bytes(), read_file(dir / kConfig, kMaxConfig),
                      Vocabulary::parse(read_file(dir / kSourceVocabularyFile, kMaxVocabulary), kSourceVocabularyFile),
                      Vocabulary::parse(read_file(dir / kTargetVocabularyFile, kMaxVocabulary), kTargetVocabularyFile));
}

}  // namespace clary::seq2seq
