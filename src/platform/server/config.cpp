// SPDX-License-Identifier: Apache-2.0
#include "platform/server/config.h"

#include <algorithm>
#include <functional>
#include <map>

#include "base/error.h"
#include "base/files.h"

namespace clary::server {

namespace {

std::int64_t integer_between(const Json& value, std::int64_t low, std::int64_t high) {
  const auto number = value.is_number_integer() ? exact_integer(value) : std::nullopt;
  if (!number || *number < low || *number > high)
    throw Error(Kind::kInvalid,
                dump_json(value) + " is not an integer from " + std::to_string(low) + " to " + std::to_string(high));
  return *number;
}

std::string text(const Json& value) {
  if (!value.is_string() || value.get<std::string>().empty())
    throw Error(Kind::kInvalid, dump_json(value) + " is not a text");
  return value;
}

bool flag(const Json& value) {
  if (!value.is_boolean()) throw Error(Kind::kInvalid, dump_json(value) + " is not true or false");
  return value;
}

/// {"CLARY_WORDSIM": "/srv/pairs", ...}
std::map<std::string, std::filesystem::path> files(const Json& value) {
  if (!value.is_object()) throw Error(Kind::kInvalid, dump_json(value) + " is not an object of variables and paths");
  std::map<std::string, std::filesystem::path> out;
  for (const auto& [variable, path] : value.items()) {
    out[variable] = text(path);
    if (variable.empty() || variable.find('=') != std::string::npos)
      throw Error(Kind::kInvalid, "\"" + variable + "\" cannot be the name of a variable");
    if (!out[variable].is_absolute() || !std::filesystem::exists(out[variable]))
      throw Error(Kind::kInvalid,
                  variable + ": " + out[variable].string() + " is not an absolute path of this machine");
  }
  return out;
}

// One row a key: reading, checking and the list of known keys come from this table.
using Setter = std::function<void(const Json&, Config&)>;

const std::map<std::string, Setter>& setters() {
  static const std::map<std::string, Setter> table{
      {"data", [](const Json& v, Config& c) { c.data = text(v); }},
      {"host", [](const Json& v, Config& c) { c.host = text(v); }},
      {"port", [](const Json& v, Config& c) { c.port = static_cast<std::uint16_t>(integer_between(v, 0, 65535)); }},
      {"dev", [](const Json& v, Config& c) { c.dev = flag(v); }},
      {"account", [](const Json& v, Config& c) { c.account = text(v); }},
      {"region", [](const Json& v, Config& c) { c.region = text(v); }},
      {"threads", [](const Json& v, Config& c) { c.threads = static_cast<int>(integer_between(v, 0, 64)); }},
      {"images", [](const Json& v, Config& c) { c.images = v; }},
      {"files", [](const Json& v, Config& c) { c.files = files(v); }},
      {"run_unsandboxed", [](const Json& v, Config& c) { c.run_unsandboxed = flag(v); }},
  };
  return table;
}

}  // namespace

// Called before the command line's options are applied, which win.
void read_config_file(const std::filesystem::path& file, Config& config) {
  try {
    const Json document = parse_json(read_file(file, 1 << 20));
    if (!document.is_object()) throw Error(Kind::kInvalid, "it is not a JSON object");
    for (const auto& [key, value] : document.items()) {
      const auto setter = setters().find(key);
      if (setter == setters().end()) {
        std::string known;
        for (const auto& row : setters()) known += " " + row.first;
        throw Error(Kind::kInvalid, key + ": unknown key; there are:" + known);
      }
      try {
        setter->second(value, config);
      } catch (const Error& e) {
        throw Error(e.kind(), key + ": " + e.what());
      }
    }
  } catch (const Error& e) {
    throw Error(e.kind(), "configuration " + file.string() + ": " + e.what());
  }
}

bool listens_on_loopback(const Config& config) {
  return config.host.starts_with("127.") || config.host == "::1" || config.host == "localhost";
}

// After file and options are both in: a rule about the final values.
void check(const Config& config) {
  if (config.dev && !listens_on_loopback(config))
    throw Error(Kind::kInvalid, "--dev accepts any signature and therefore listens on loopback only, not on " +
                                    config.host + "; leave --dev out and use the access key that the server makes");
  if (config.account.size() != 12 ||
      !std::all_of(config.account.begin(), config.account.end(), [](char c) { return c >= '0' && c <= '9'; }))
    throw Error(Kind::kInvalid, "account: " + config.account + " is not 12 digits");
}

}  // namespace clary::server
