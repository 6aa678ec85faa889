// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/decode/search.h"

#include <algorithm>

namespace clary::seq2seq {
namespace {

using numeric::at;

/// Rows of the next step: the open hypotheses of the sentences that go on.
struct StepInput {
  std::vector<std::int32_t> words, sentences, parents;

  void clear() { words.clear(), sentences.clear(), parents.clear(); }
  void add(const Beam& beam, std::int32_t sentence, std::int32_t first_row) {
    for (const Beam::Open& open : beam.open()) {
      words.push_back(open.word);
      sentences.push_back(sentence);
      parents.push_back(first_row + open.parent);
    }
  }
};

/// Every beam that goes on takes its rows of a step's output.
void advance(std::vector<Beam>& beams, const DecoderSteps& steps, std::span<const WordCost> extensions, std::int64_t k,
             bool attention, StepInput& next) {
  next.clear();
  std::int32_t row = 0;
  for (std::size_t i = 0; i < beams.size(); ++i) {
    Beam& beam = beams[i];
    if (beam.done()) continue;
    const auto rows = static_cast<std::int32_t>(beam.open().size());
    for (std::int32_t r = row; attention && r < row + rows; ++r) beam.add_attention(steps.attention(r));
    beam.advance(extensions.subspan(at(row * k), at(rows * k)), k);
    if (!beam.done()) next.add(beam, static_cast<std::int32_t>(i), row);
    row += rows;
  }
}

}  // namespace

SearchModel::SearchModel(const Source& source, std::span<const std::int32_t> never)
    : encoder(make_sentence_encoder(source)),
      decoder(source.architecture.decoder == NetworkType::kRnn ? make_rnn_decoder_weights(source)
                                                               : make_cnn_decoder_weights(source)),
      output(source, never) {}

std::vector<std::vector<Beam::Result>> search(const SearchModel& model, std::span<const Ids> sentences,
                                              std::span<const std::int64_t> steps, const DecodeOptions& options) {
  const Encoded encoded = model.encoder->encode(sentences);
  const std::unique_ptr<DecoderSteps> decoder = model.decoder->start(encoded);
  const std::int64_t k = std::min(options.beam_size, model.output.choices());
  std::vector<Beam> beams;
  StepInput input;
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    const auto sentence = static_cast<std::int32_t>(i);
    beams.emplace_back(options.beam_size, steps[i], options.attention ? encoded.length(sentence) : 0);
    input.add(beams.back(), sentence, sentence);
  }
  std::vector<WordCost> extensions;
  while (true) {
    const std::span<const float> features = decoder->step(input.words, input.sentences);
    model.output.best(static_cast<std::int64_t>(input.words.size()), features, k, extensions);
    advance(beams, *decoder, extensions, k, options.attention, input);
    if (input.words.empty()) break;
    decoder->select(input.parents);
  }
  std::vector<std::vector<Beam::Result>> results;
  for (const Beam& beam : beams) results.push_back(beam.results(options.n_best));
  return results;
}

}  // namespace clary::seq2seq
