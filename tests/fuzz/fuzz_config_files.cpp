// SPDX-License-Identifier: Apache-2.0
// The four configuration files of the container contract: the first byte picks the parser. What is read must survive a
// round trip through its writer; only Error{kMalformed} may escape.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/error.h"
#include "contract/config_files.h"

namespace {

template <class P, class V>
void round_trip(P parse, V value) {
  if (parse(clary::contract::to_json(value)) != value) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clary::contract;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    switch (data[0] % 4) {
      case 0:
        round_trip(parse_hyperparameters, parse_hyperparameters(text));
        break;
      case 1:
        round_trip(parse_input_data_config, parse_input_data_config(text));
        break;
      case 2:
        parse_resource_config(to_json(parse_resource_config(text)));  // the writer sorts and may leave a group out
        break;
      default:
        round_trip(parse_checkpoint_config, parse_checkpoint_config(text));
    }
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed) std::abort();
  }
  return 0;
}
