// SPDX-License-Identifier: Apache-2.0
// The index's tables and their rows. Keys are TEXT with SQLite's binary collation: their order is that of UTF-8 bytes.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "platform/objects/types.h"
#include "platform/store/connection.h"

namespace clary::objects {

std::span<const char* const> schema_steps();

std::optional<BucketInfo> find_bucket(store::Connection& db, std::string_view name);
/// @throws ObjectError{kNoSuchBucket}
BucketInfo required_bucket(store::Connection& db, std::string_view name);

std::optional<ObjectInfo> find_object(store::Connection& db, const BucketInfo& bucket, std::string_view key);
/// Checks the options' conditions against the present object and replaces it.
/// @return the blob that became garbage, if one did
std::vector<std::string> put_object(store::Connection& db, const BucketInfo& bucket, const ObjectInfo& object,
                                    const PutOptions& options, std::string_view upload_id = {});
/// Checks If-None-Match: * and If-Match. @throws ObjectError{kPreconditionFailed, kNoSuchKey}
void check_conditions(const std::optional<ObjectInfo>& present, const ObjectInfo& wanted, const PutOptions& options);
/// @return the blob that became garbage, if one did
std::vector<std::string> remove_object(store::Connection& db, const BucketInfo& bucket, std::string_view key);

/// Whether an object or a part names the blob.
bool is_referenced(store::Connection& db, std::string_view blob);
/// Those of `candidates` that nothing names any more, each once.
std::vector<std::string> unreferenced(store::Connection& db, std::vector<std::string> candidates);

Json to_json(const Tags& tags);
Tags tags_from_json(std::string_view text);

}  // namespace clary::objects
