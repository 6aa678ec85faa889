// SPDX-License-Identifier: Apache-2.0
// Which objects an S3DataSource names, and under which file names, by the rules of the container contract: prefixes are
// plain strings, manifests keep their order, shards are dealt by sorted key. Pure planning: no byte is copied here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "platform/objects/types.h"

namespace clary::objects {

class ObjectSource;

inline constexpr std::size_t kMaxPlannedObjects = 10'000'000;  // our limit of a source

struct PlannedObject {
  std::string bucket, key, etag;
  std::filesystem::path file;  // below the source's local_root(), or "": see ObjectSource::local_file()
  std::string relative;        // below /opt/ml/input/data/<channel>/ (or the output name of a transform)
  std::uint64_t size = 0;
};

/// The objects of {"S3DataType", "S3Uri"} in the order of the service.
/// @throws Error{kNotFound} when nothing lies there (the message of CreateTrainingJob without its role sentence);
///         Error{kMalformed} for a bad manifest; Error{kInvalid} for a bad URI or type, or a key that is a file and a
///         folder at once
std::vector<PlannedObject> plan_source(const Json& s3_data_source, ObjectSource& source);

/// The share of host `host` of `hosts`: all, or every hosts-th of the list sorted by key.
std::vector<PlannedObject> share_of_host(const std::vector<PlannedObject>& objects, bool sharded, int host, int hosts);

/// The file name of a key under a prefix (container contract, table of section 2.2).
std::string relative_name(std::string_view prefix, std::string_view key);

/// The plan of one object that a prefix names.
PlannedObject planned(const ObjectInfo& object, ObjectSource& source, std::string_view prefix);

/// What to throw when an address names no object: CreateTrainingJob's message without its role sentence.
Error nothing_found(const std::string& uri);

}  // namespace clary::objects
