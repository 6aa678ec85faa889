// SPDX-License-Identifier: Apache-2.0
#include "platform/training/channel_plan.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>

#include "base/error.h"
#include "platform/agent/augmented_manifest.h"
#include "platform/objects/object_source.h"
#include "platform/objects/s3_uri.h"

namespace clary::training {

namespace {

/// Adds what the "-ref" attributes of every line name.
/// Runs on the scheduler's deciding thread, so that a bad manifest fails the job before an agent is started for it.
void add_references(const std::string& uri, const std::vector<std::string>& names, bool gzip,
                    objects::ObjectSource& source, std::vector<objects::PlannedObject>& plan) {
  const auto located = [&](const Error& error, const std::string& where) {
    return Error(error.kind(), "manifest " + uri + ": " + where + error.what());
  };
  std::optional<agent::ManifestLines> manifest;
  try {
    const auto opened = source.open(plan[0].bucket, plan[0].key);
    if (!opened) throw objects::nothing_found(uri);
    // By descriptor: the manifest is one version of the object, even when it is replaced while it is read.
    manifest.emplace("/proc/self/fd/" + std::to_string(opened->fd.get()), gzip);
  } catch (const Error& error) {
    throw located(error, "");
  }
  const agent::ManifestLines& lines = *manifest;
  // Lines often name the same object; it is staged once. The set holds each address, so its size is bounded by
  // kMaxPlannedObjects as well.
  std::set<std::string> known;
  for (std::size_t i = 0; i < lines.size(); ++i) try {
      for (const std::string& address : agent::attribute_values(lines[i], names)) {
        if (!known.insert(address).second) continue;
        const auto at = objects::parse_s3_uri(address);
        if (!at) throw Error(Kind::kMalformed, "\"" + address + "\" is not an S3 address");
        const auto object = source.head(at->bucket, at->key);
        if (!object) throw Error(Kind::kNotFound, "there is no object " + address);
        // The address is the `relative` name: the agent looks a line's reference up by it
        // (PipeChannel::serve_manifest).
        plan.push_back({object->bucket, object->key, object->etag, source.local_file(*object), address, object->size});
        if (plan.size() > objects::kMaxPlannedObjects)
          throw Error(Kind::kLimit, "more than 10000000 objects are named");
      }
    } catch (const Error& error) {
      throw located(error, "line " + std::to_string(lines.number(i)) + ": ");
    }
}

}  // namespace

std::vector<objects::PlannedObject> plan_augmented_manifest(const std::string& uri,
                                                            const std::vector<std::string>& attributes, bool gzip,
                                                            objects::ObjectSource& source) {
  const auto at = objects::parse_s3_uri(uri);
  if (!at) throw Error(Kind::kInvalid, "S3Uri \"" + uri + "\" is not an S3 address");
  const auto manifest = source.head(at->bucket, at->key);
  if (!manifest) throw objects::nothing_found(uri);
  std::vector<objects::PlannedObject> plan{objects::planned(*manifest, source, at->key)};
  std::vector<std::string> references;
  std::copy_if(attributes.begin(), attributes.end(), std::back_inserter(references), agent::is_reference);
  // Without "-ref" attributes the lines need no object of their own, and the manifest is not read here at all.
  if (references.empty()) return plan;
  add_references(uri, references, gzip, source, plan);
  return plan;
}

}  // namespace clary::training
