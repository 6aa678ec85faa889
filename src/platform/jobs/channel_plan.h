// SPDX-License-Identifier: Apache-2.0
// Which objects of a channel go to which host, under which file name, by the rules of the container contract: prefixes
// are plain strings, manifests keep their order, shards are dealt by sorted key. Pure planning: no byte is copied here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace clary::objects {
class ObjectStore;
}

namespace clary::jobs {

struct PlannedObject {
  std::string bucket, key;
  std::filesystem::path blob;  // immutable file with the bytes
  std::string relative;        // below /opt/ml/input/data/<channel>/ (or the output name of a transform)
  std::uint64_t size = 0;
};

/// The objects of {"S3DataType", "S3Uri"} in the order of the service.
/// @throws Error{kNotFound} when nothing lies there (the message of CreateTrainingJob without its role sentence);
///         Error{kMalformed} for a bad manifest; Error{kInvalid} for a bad URI or type, or a key that is a file and a
///         folder at once
std::vector<PlannedObject> plan_source(const Json& s3_data_source, objects::ObjectStore& store);

/// The manifest object of an augmented manifest channel and, after it, every object that its "-ref" attributes name,
/// once, with the address as `relative`.
/// @throws as plan_source(), and Error{kMalformed} for a manifest with "-ref" attributes that has a bad line; other
/// manifests are read when they are passed on
std::vector<PlannedObject> plan_augmented_manifest(const std::string& uri, const std::vector<std::string>& attributes,
                                                   bool gzip, objects::ObjectStore& store);

/// The share of host `host` of `hosts`: all, or every hosts-th of the list sorted by key.
std::vector<PlannedObject> share_of_host(const std::vector<PlannedObject>& objects, bool sharded, int host, int hosts);

/// The file name of a key under a prefix (container contract, table of section 2.2).
std::string relative_name(std::string_view prefix, std::string_view key);

/// The same numbers in the order of epoch `epoch` of a ShuffleConfig.Seed: a Fisher-Yates shuffle of our own generator.
void shuffle_numbers(std::vector<std::size_t>& numbers, std::int64_t seed, std::uint64_t epoch);

}  // namespace clary::jobs
