// SPDX-License-Identifier: Apache-2.0
// DataProcessing filters: "<path>\n<record>" with the path applied to the record as JSON and as CSV.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "platform/serving/data_processing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clary::serving;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t line = text.find('\n');
  const std::string_view path = text.substr(0, line);
  const std::string_view record = line == std::string_view::npos ? std::string_view{} : text.substr(line + 1);
  for (const RecordForm form : {RecordForm::kJson, RecordForm::kCsv}) {
    try {
      const DataProcessing rules(form, path, "$", true);
      rules.result_for(record, rules.request_for(record));
    } catch (const clary::Error&) {
    }
  }
  return 0;
}
