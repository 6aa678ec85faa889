// SPDX-License-Identifier: Apache-2.0
#include "platform/jobs/channel_plan.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "platform/jobs/augmented_manifest.h"
#include "platform/objects/object_store.h"
#include "platform/objects/s3_uri.h"

namespace clary::jobs {

std::string relative_name(std::string_view prefix, std::string_view key) {
  // base = prefix up to and including its last '/', unless the key goes on with '/' right after the prefix.
  std::string_view base = prefix;
  const bool is_folder = key.size() > prefix.size() && key.starts_with(prefix) && key[prefix.size()] == '/';
  if (!is_folder && !base.ends_with('/')) {
    const auto slash = base.rfind('/');
    base = slash == std::string_view::npos ? std::string_view() : base.substr(0, slash + 1);
  }
  std::string_view rest = key.starts_with(base) ? key.substr(base.size()) : key;
  while (rest.starts_with('/')) rest.remove_prefix(1);
  return std::string(rest);
}

std::vector<PlannedObject> share_of_host(const std::vector<PlannedObject>& objects, bool sharded, int host, int hosts) {
  if (!sharded || hosts <= 1) return objects;
  std::vector<PlannedObject> share;
  for (std::size_t i = static_cast<std::size_t>(host); i < objects.size(); i += static_cast<std::size_t>(hosts))
    share.push_back(objects[i]);
  return share;
}

namespace {

/// SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

}  // namespace

void shuffle_numbers(std::vector<std::size_t>& numbers, std::int64_t seed, std::uint64_t epoch) {
  std::uint64_t state = static_cast<std::uint64_t>(seed) + epoch;
  for (std::size_t i = numbers.size(); i > 1; --i) std::swap(numbers[i - 1], numbers[next_random(state) % i]);
}

namespace {

constexpr std::size_t kMaxManifestBytes = 64U << 20U;
constexpr std::size_t kMaxObjects = 10'000'000;

[[noreturn]] void nothing_found(const std::string& uri) {
  throw Error(Kind::kNotFound, "No S3 objects found under S3 URL \"" + uri + "\" given in input data source.");
}

PlannedObject planned(const objects::ObjectInfo& object, objects::ObjectStore& store, std::string_view prefix) {
  return {object.bucket, object.key, store.blob_path(object), relative_name(prefix, object.key), object.size};
}

std::vector<PlannedObject> plan_prefix(const std::string& uri, const objects::S3Uri& at, objects::ObjectStore& store) {
  if (!store.bucket(at.bucket)) nothing_found(uri);
  std::vector<PlannedObject> plan;
  objects::ListQuery query;
  query.prefix = at.key;
  for (;;) {
    const objects::Listing listing = store.list(at.bucket, query);
    for (const objects::ObjectInfo& object : listing.objects)
      if (!object.key.ends_with('/')) plan.push_back(planned(object, store, at.key));  // no folder markers
    if (plan.size() > kMaxObjects) throw Error(Kind::kLimit, uri + " holds more than 10000000 objects");
    if (!listing.truncated) break;
    query.after = listing.next;
  }
  if (plan.empty()) nothing_found(uri);
  return plan;
}

/// [{"prefix": "s3://..."}, "a", "b"...]
std::vector<PlannedObject> plan_manifest(const std::string& uri, const objects::S3Uri& at,
                                         objects::ObjectStore& store) {
  const auto manifest = store.open(at.bucket, at.key);
  if (!manifest) nothing_found(uri);
  const auto malformed = [&](const std::string& rule) {
    return Error(Kind::kMalformed, "manifest " + uri + ": " + rule);
  };
  if (manifest->object.size > kMaxManifestBytes) throw malformed("it is larger than 67108864 bytes");
  const Json json = [&] {
    try {
      return parse_json(read_file("/proc/self/fd/" + std::to_string(manifest->fd.get())));
    } catch (const Error& error) {
      throw malformed(error.what());
    }
  }();
  if (!json.is_array() || json.empty() || !json[0].is_object() || !json[0].contains("prefix") ||
      !json[0]["prefix"].is_string())
    throw malformed("the first element must be {\"prefix\": \"s3://bucket/prefix/\"}");
  const std::string prefix_uri = json[0]["prefix"];
  const auto prefix = objects::parse_s3_uri(prefix_uri);
  if (!prefix) throw malformed("prefix \"" + prefix_uri + "\" is not an S3 address");
  std::vector<PlannedObject> plan;
  for (std::size_t i = 1; i < json.size(); ++i) {
    if (!json[i].is_string()) throw malformed("element " + std::to_string(i) + " must be a string");
    const std::string key = prefix->key + json[i].get<std::string>();
    const auto object = store.head(prefix->bucket, key);
    if (!object)
      throw Error(Kind::kNotFound, "manifest " + uri + ": there is no object s3://" + prefix->bucket + "/" + key);
    plan.push_back(planned(*object, store, prefix->key));
  }
  if (plan.empty()) nothing_found(uri);
  return plan;
}

}  // namespace

std::vector<PlannedObject> plan_source(const Json& s3_data_source, objects::ObjectStore& store) {
  const std::string uri = s3_data_source.at("S3Uri"), type = s3_data_source.value("S3DataType", "S3Prefix");
  const auto at = objects::parse_s3_uri(uri);
  if (!at) throw Error(Kind::kInvalid, "S3Uri \"" + uri + "\" is not an S3 address");
  if (type == "ManifestFile") return plan_manifest(uri, *at, store);
  if (type == "S3Prefix") return plan_prefix(uri, *at, store);
  throw Error(Kind::kInvalid, "S3DataType " + type + " is not supported by this server");
}

namespace {

/// Adds what the "-ref" attributes of every line name.
void add_references(const std::string& uri, const std::vector<std::string>& names, bool gzip,
                    objects::ObjectStore& store, std::vector<PlannedObject>& plan) {
  const auto told = [&](const Error& error, const std::string& where) {
    return Error(error.kind(), "manifest " + uri + ": " + where + error.what());
  };
  std::optional<ManifestLines> manifest;
  try {
    manifest.emplace(plan[0].blob, gzip);
  } catch (const Error& error) {
    throw told(error, "");
  }
  const ManifestLines& lines = *manifest;
  std::set<std::string> known;
  for (std::size_t i = 0; i < lines.size(); ++i) try {
      for (const std::string& address : attribute_values(lines[i], names)) {
        if (!known.insert(address).second) continue;
        const auto at = objects::parse_s3_uri(address);
        if (!at) throw Error(Kind::kMalformed, "\"" + address + "\" is not an S3 address");
        const auto object = store.head(at->bucket, at->key);
        if (!object) throw Error(Kind::kNotFound, "there is no object " + address);
        plan.push_back({object->bucket, object->key, store.blob_path(*object), address, object->size});
        if (plan.size() > kMaxObjects) throw Error(Kind::kLimit, "more than 10000000 objects are named");
      }
    } catch (const Error& error) {
      throw told(error, "line " + std::to_string(lines.number(i)) + ": ");
    }
}

}  // namespace

std::vector<PlannedObject> plan_augmented_manifest(const std::string& uri, const std::vector<std::string>& attributes,
                                                   bool gzip, objects::ObjectStore& store) {
  const auto at = objects::parse_s3_uri(uri);
  if (!at) throw Error(Kind::kInvalid, "S3Uri \"" + uri + "\" is not an S3 address");
  const auto manifest = store.head(at->bucket, at->key);
  if (!manifest) nothing_found(uri);
  std::vector<PlannedObject> plan{planned(*manifest, store, at->key)};
  std::vector<std::string> references;
  std::copy_if(attributes.begin(), attributes.end(), std::back_inserter(references), is_reference);
  if (references.empty()) return plan;
  add_references(uri, references, gzip, store, plan);
  return plan;
}

}  // namespace clary::jobs
