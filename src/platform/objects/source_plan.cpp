// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/source_plan.h"

#include "base/error.h"
#include "base/files.h"
#include "platform/objects/object_source.h"
#include "platform/objects/s3_uri.h"

namespace clary::objects {

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

Error nothing_found(const std::string& uri) {
  return {Kind::kNotFound, "No S3 objects found under S3 URL \"" + uri + "\" given in input data source."};
}

PlannedObject planned(const ObjectInfo& object, ObjectSource& source, std::string_view prefix) {
  return {object.bucket, object.key, object.etag, source.local_file(object), relative_name(prefix, object.key),
          object.size};
}

namespace {

constexpr std::size_t kMaxManifestBytes = 64U << 20U;

// Pages of the listing: memory is the plan's, and no read transaction stays open for long.
std::vector<PlannedObject> plan_prefix(const std::string& uri, const S3Uri& at, ObjectSource& source) {
  if (!source.bucket(at.bucket)) throw nothing_found(uri);
  std::vector<PlannedObject> plan;
  ListQuery query;
  query.prefix = at.key;
  for (;;) {
    const Listing listing = source.list(at.bucket, query);
    for (const ObjectInfo& object : listing.objects)
      if (!object.key.ends_with('/')) plan.push_back(planned(object, source, at.key));  // no folder markers
    if (plan.size() > kMaxPlannedObjects) throw Error(Kind::kLimit, uri + " holds more than 10000000 objects");
    if (!listing.truncated) break;
    query.after = listing.next;
  }
  if (plan.empty()) throw nothing_found(uri);
  return plan;
}

/// [{"prefix": "s3://..."}, "a", "b"...]
std::vector<PlannedObject> plan_manifest(const std::string& uri, const S3Uri& at, ObjectSource& source) {
  const auto manifest = source.open(at.bucket, at.key);
  if (!manifest) throw nothing_found(uri);
  const auto malformed = [&](const std::string& rule) {
    return Error(Kind::kMalformed, "manifest " + uri + ": " + rule);
  };
  // Checked by the index's size before the file is read into memory.
  if (manifest->object.size > kMaxManifestBytes) throw malformed("it is larger than 67108864 bytes");
  const Json json = [&] {
    try {
      // By descriptor: the text and the size that was checked are of one version.
      return parse_json(read_file("/proc/self/fd/" + std::to_string(manifest->fd.get())));
    } catch (const Error& error) {
      throw malformed(error.what());
    }
  }();
  if (!json.is_array() || json.empty() || !json[0].is_object() || !json[0].contains("prefix") ||
      !json[0]["prefix"].is_string())
    throw malformed("the first element must be {\"prefix\": \"s3://bucket/prefix/\"}");
  const std::string prefix_uri = json[0]["prefix"];
  const auto prefix = parse_s3_uri(prefix_uri);
  if (!prefix) throw malformed("prefix \"" + prefix_uri + "\" is not an S3 address");
  // Before the first look-up: "" is three bytes, so a manifest of the largest size could ask for 22 million of them.
  if (json.size() - 1 > kMaxPlannedObjects)
    throw Error(Kind::kLimit, "manifest " + uri + " names " + std::to_string(json.size() - 1) +
                                  " objects, must be at most " + std::to_string(kMaxPlannedObjects));
  std::vector<PlannedObject> plan;
  for (std::size_t i = 1; i < json.size(); ++i) {
    if (!json[i].is_string()) throw malformed("element " + std::to_string(i) + " must be a string");
    // The prefix is prepended as text, without a slash in between: the container contract, as AWS documents manifests.
    const std::string key = prefix->key + json[i].get<std::string>();
    const auto object = source.head(prefix->bucket, key);
    if (!object)
      throw Error(Kind::kNotFound, "manifest " + uri + ": there is no object s3://" + prefix->bucket + "/" + key);
    plan.push_back(planned(*object, source, prefix->key));
  }
  if (plan.empty()) throw nothing_found(uri);
  return plan;
}

}  // namespace

std::vector<PlannedObject> plan_source(const Json& s3_data_source, ObjectSource& source) {
  const std::string uri = s3_data_source.at("S3Uri"), type = s3_data_source.value("S3DataType", "S3Prefix");
  const auto at = parse_s3_uri(uri);
  if (!at) throw Error(Kind::kInvalid, "S3Uri \"" + uri + "\" is not an S3 address");
  if (type == "ManifestFile") return plan_manifest(uri, *at, source);
  if (type == "S3Prefix") return plan_prefix(uri, *at, source);
  throw Error(Kind::kInvalid, "S3DataType " + type + " is not supported by this server");
}

}  // namespace clary::objects
