// SPDX-License-Identifier: Apache-2.0
// `tokenizer=simple`: raw text made into words between blanks, the same in training and at the endpoint. ASCII capitals
// become small letters, and every ASCII sign that is neither letter, digit nor `_` a word of its own (close to
// fastText's and AWS's example scripts). Other bytes stay, so text of any language does. A token that starts with
// __label__ stays as it is.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "algorithms/blazingtext/data/text_source.h"
#include "algorithms/blazingtext/hyperparameters.h"

namespace clary::blazingtext {

/// The text by these rules; newlines stay.
std::string simple_text(std::string_view text);
/// The same without the blanks around it: a word of a request.
std::string simple_words(std::string_view text);

/// The source's blocks, changed on the thread that asks for them. A block's offset is that of the text before.
std::unique_ptr<TextSource> simple_text(std::unique_ptr<TextSource> source);

/// tokenizer.json in a model's folder: {"tokenizer": "simple"}. Nothing is written for kNone, nothing there means
/// kNone.
void write_tokenizer(TextRules rules, const std::filesystem::path& dir);
/// @throws Error{kMalformed} for rules that this version does not know
TextRules read_tokenizer(const std::filesystem::path& dir);

}  // namespace clary::blazingtext
