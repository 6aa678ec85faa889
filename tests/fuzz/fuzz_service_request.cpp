// SPDX-License-Identifier: Apache-2.0
// A request body against the service model: JSON, and the query protocol's form. The first two bytes choose the
// operation. Only Error may escape.
#include <map>
#include <string>

#include "base/text.h"
#include "platform/aws/service_error.h"
#include "platform/aws/service_model.h"

using namespace clary;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const aws::model::Service& service = *aws::model::find_service((data[0] & 128) != 0 ? "cloudwatch" : "sagemaker");
  const auto& operation = service.operations[((data[0] & 127U) * 256U + data[1]) % service.operations.size()];
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  try {
    Json input = parse_json(text);
    if (input.is_object()) aws::validate(operation, input);
  } catch (const Error&) {
  }
  try {
    std::map<std::string, std::string> form;
    for (const std::string_view pair : split(text, '&')) {
      const std::size_t equals = pair.find('=');
      form.emplace(pair.substr(0, equals), equals == std::string_view::npos ? "" : pair.substr(equals + 1));
    }
    Json input = aws::json_from_form(operation, form);
    aws::validate(operation, input);
    aws::xml_from_json(operation, input);
  } catch (const Error&) {
  }
  return 0;
}
