// SPDX-License-Identifier: Apache-2.0
// Labelled text from an augmented manifest: the platform pipes two RecordIO records a sample, the text and its label or
// labels as JSON text; out come lines as a text file would hold them, "__label__1 __label__3 the text".
#pragma once

#include <memory>
#include <string>

#include "formats/byte_source.h"

namespace clary::blazingtext {

/// @param name  for messages
/// Its read() throws Error{kMalformed} naming the sample, for broken framing, a label that is none, or a text without
/// one.
std::unique_ptr<formats::ByteSource> manifest_text(std::unique_ptr<formats::ByteSource> records, std::string name);

/// "__label__1 __label__3" of `[1, 3]`, `1`, `sports` or `["a", "b"]`; blanks within a label become '_'.
/// @throws Error{kMalformed} for an empty label, or JSON that is neither a value nor a list of values
std::string labels_of(std::string_view json_text);

}  // namespace clary::blazingtext
