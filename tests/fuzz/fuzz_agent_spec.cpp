// SPDX-License-Identifier: Apache-2.0
// agent.json and events.jsonl: an agent folder may be damaged; only Error and JSON errors that the reader turns into
// one may escape.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "platform/agent/spec.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    clary::agent::parse_agent_spec(clary::parse_json({reinterpret_cast<const char*>(data), size}));
  } catch (const clary::Error&) {
  }
  return 0;
}
