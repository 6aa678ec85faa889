// SPDX-License-Identifier: Apache-2.0
// Where a text stops being JSON, for messages: readers that are built for speed (simdjson) do not say.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace clary {

struct JsonFault {
  std::size_t byte = 0;  // counted from 1; 0: the text is JSON
  std::string_view
      word;  // in the text: begins at `byte` and is none of JSON's, such as NaN, -Infinity or None; or empty

  /// "not valid JSON at byte 29: NaN is not a JSON value"; without a word "not valid JSON at byte 29: <reason>", and
  /// without a byte "not valid JSON: <reason>".
  /// @param reason  may be empty
  std::string message(std::string_view reason = {}) const;
};

/// The fault at a byte where a reader stopped.
/// @param byte  counted from 1; may lie inside or one behind the word
JsonFault json_fault_at(std::string_view text, std::size_t byte);

/// Reads the text once more to find the byte; without one when only the other reader refuses it (for a limit of its
/// own).
JsonFault json_fault(std::string_view text);

}  // namespace clary
