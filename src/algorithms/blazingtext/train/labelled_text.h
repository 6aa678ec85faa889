// SPDX-License-Identifier: Apache-2.0
// The text of `supervised` before anything is learned: how it is divided, its words and labels, and what it must have.
#pragma once

#include "algorithms/blazingtext/data/lines.h"
#include "algorithms/blazingtext/data/text_source.h"
#include "algorithms/blazingtext/data/vocabulary.h"
#include "algorithms/blazingtext/train/trainer.h"
#include "learning/numeric/team.h"

namespace clary::blazingtext {

/// Whole lines, in blocks small enough that every thread gets many.
TextOptions line_blocks(const Corpus& corpus, int threads);

/// Words and labels of the training text, and words of the channel `pretrained`.
/// @throws Error{kInvalid} when it has no label, no word beside labels, or more rows than a model file can number
Vocabulary read_labelled_vocabulary(const TrainingJob& job, numeric::Team& team);

/// Accuracy over no line would stop a training at its first look.
/// @throws Error{kInvalid} when no line has a label that training knows
void check_validation(const Corpus& validation, const LineRules& rules);

}  // namespace clary::blazingtext
