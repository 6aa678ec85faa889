// SPDX-License-Identifier: Apache-2.0
// A trained or foreign model: dictionary and two matrices, and what they answer. Immutable while it serves, so many
// threads may ask at once.
// Letters: V words, B buckets, K labels, D dimensions.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "algorithms/blazingtext/data/dictionary.h"
#include "algorithms/blazingtext/model/bucket_table.h"
#include "algorithms/blazingtext/model/huffman_tree.h"
#include "algorithms/blazingtext/model/matrix.h"
#include "algorithms/blazingtext/model/neighbours.h"
#include "algorithms/blazingtext/model/quantized_matrix.h"
#include "algorithms/blazingtext/model/settings.h"
#include "learning/shell/finite_check.h"
#include "learning/shell/serve_request.h"
#include "learning/shell/train_context.h"

namespace clary::blazingtext {

struct Model {
  Settings settings;
  Dictionary dictionary;
  Matrix input;   // E [V + B, D]; with bucket_rows as many rows as that says
  Matrix output;  // O [K, D] of a classifier, [V, D] of word vectors

  /// Where buckets have their rows of E. Not engaged: bucket b at row V + b.
  std::optional<BucketTable> bucket_rows;

  // Only in files that `fasttext quantize` made; this replaces the matrix above.
  std::optional<QuantizedMatrix> quantized_input, quantized_output;

  TextRules tokenizer = TextRules::kNone;  // what requests' text goes through first, as the training text did
  std::optional<HuffmanTree> tree;         // of a foreign classifier with hierarchical softmax

  /// For questions after the nearest words of the finished model.
  std::shared_ptr<LazyNeighbours> neighbours = std::make_shared<LazyNeighbours>();

  bool is_supervised() const { return settings.is_supervised(); }
  std::int64_t dim() const { return settings.dim; }

  // The shell's side: the files of model.tar.gz (model_files.cpp) and the answers of an endpoint (serve/answer.cpp).

  /// A classifier: model.bin, and model.ftz when the job asks for `quantize`. Word vectors: vectors.txt, vectors.bin,
  /// vectors.word2vec.bin with `write_word2vec_binary`, and eval.json when the job asks for `evaluation` and the word
  /// pairs are at hand. tokenizer.json when there is one. Host 1 writes; the others only say so.
  void save(const std::filesystem::path& dir, shell::TrainContext& context) const;
  void check_finite(const shell::FiniteCheck& check) const;
  /// A folder that save() wrote, or any folder with one fastText file (*.bin, *.ftz) or one vectors.txt (*.vec).
  /// @throws Error{kMalformed}, Error{kInvalid}
  static Model load(const std::filesystem::path& dir);
  shell::Answer answer(const shell::Invocation& invocation) const;
};

/// Rows of E that stand for `word`: its own, when known, and those of its character n-grams.
/// @param word  V's number of `text`, or -1
void append_word_rows(const Model& model, std::string_view text, std::int64_t word, std::vector<std::int32_t>& rows);
/// Rows of E that stand for a line of text (labels in it are skipped): words, character and word n-grams. Newlines
/// within the text are blanks; it ends with `</s>`, as in training, when the dictionary has one.
/// Nothing for a text without words.
void append_line_rows(const Model& model, std::string_view line, std::vector<std::int32_t>& rows);

/// Mean of rows of E; zeros for none. @param out  [D]
void mean_of_rows(const Model& model, std::span<const std::int32_t> rows, std::span<float> out);

/// The vector of a word: mean of its rows; zeros for an unknown one without n-grams.
std::vector<float> word_vector(const Model& model, std::string_view word);

/// The vector of a text: of a classifier, what its labels are computed from; of word vectors, the mean of its words'
/// unit vectors (fastText's print-sentence-vectors).
std::vector<float> text_vector(const Model& model, std::string_view text);

}  // namespace clary::blazingtext
