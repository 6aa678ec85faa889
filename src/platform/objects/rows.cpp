// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/rows.h"

#include <algorithm>

namespace clary::objects {

namespace {

// One blob column and no reference count: the index on it answers is_referenced(), and a count could be wrong.
// `upload` remembers which multipart upload made an object, so that completing twice is answered alike.
constexpr const char* kSteps[] = {R"sql(
CREATE TABLE s3_buckets(
  id {identity}, name TEXT NOT NULL UNIQUE, region TEXT NOT NULL, created BIGINT NOT NULL);
CREATE TABLE s3_bucket_documents(
  bucket BIGINT NOT NULL REFERENCES s3_buckets(id) ON DELETE CASCADE, name TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY(bucket, name)) {clustered};
CREATE TABLE s3_objects(
  bucket BIGINT NOT NULL REFERENCES s3_buckets(id), key TEXT NOT NULL, size BIGINT NOT NULL, etag TEXT NOT NULL,
  modified BIGINT NOT NULL, content_type TEXT NOT NULL, storage_class TEXT NOT NULL, checksum_algorithm TEXT NOT NULL,
  checksum TEXT NOT NULL, checksum_type TEXT NOT NULL, blob TEXT NOT NULL, upload TEXT NOT NULL, headers TEXT NOT NULL,
  tags TEXT, parts TEXT, PRIMARY KEY(bucket, key)) {clustered};
CREATE INDEX s3_objects_by_blob ON s3_objects(blob);
CREATE TABLE s3_uploads(
  id TEXT PRIMARY KEY, bucket BIGINT NOT NULL REFERENCES s3_buckets(id), key TEXT NOT NULL, created BIGINT NOT NULL,
  content_type TEXT NOT NULL, storage_class TEXT NOT NULL, checksum_algorithm TEXT NOT NULL,
  checksum_type TEXT NOT NULL, headers TEXT NOT NULL, tags TEXT) {clustered};
CREATE INDEX s3_uploads_by_key ON s3_uploads(bucket, key, id);
CREATE TABLE s3_parts(
  upload TEXT NOT NULL REFERENCES s3_uploads(id) ON DELETE CASCADE, number BIGINT NOT NULL, size BIGINT NOT NULL,
  etag TEXT NOT NULL, modified BIGINT NOT NULL, checksum TEXT NOT NULL, blob TEXT NOT NULL,
  PRIMARY KEY(upload, number)) {clustered};
CREATE INDEX s3_parts_by_blob ON s3_parts(blob);
)sql"};

}  // namespace

std::span<const char* const> schema_steps() { return kSteps; }

std::optional<BucketInfo> find_bucket(store::Connection& db, std::string_view name) {
  auto row = db.prepare("SELECT id, region, created FROM s3_buckets WHERE name=?");
  if (!row.bind(name).step()) return std::nullopt;
  return BucketInfo{row.column<std::int64_t>(0), std::string(name), row.column<std::string>(1), row.column<EpochMs>(2)};
}

BucketInfo required_bucket(store::Connection& db, std::string_view name) {
  auto found = find_bucket(db, name);
  if (!found)
    throw ObjectError(Problem::kNoSuchBucket, "bucket '" + std::string(name) + "' does not exist", std::string(name));
  return *found;
}

std::optional<ObjectInfo> find_object(store::Connection& db, const BucketInfo& bucket, std::string_view key) {
  auto row = db.prepare(
      "SELECT size, etag, modified, content_type, storage_class, checksum_algorithm, checksum, checksum_type, blob, "
      "headers, parts, tags FROM s3_objects WHERE bucket=? AND key=?");
  if (!row.bind(bucket.id, key).step()) return std::nullopt;
  ObjectInfo object;
  object.bucket = bucket.name;
  object.key = key;
  object.size = row.column<std::uint64_t>(0);
  object.etag = row.column<std::string>(1);
  object.last_modified = row.column<EpochMs>(2);
  object.content_type = row.column<std::string>(3);
  object.storage_class = row.column<std::string>(4);
  object.checksum_algorithm = row.column<std::string>(5);
  object.checksum = row.column<std::string>(6);
  object.checksum_type = row.column<std::string>(7);
  object.blob = row.column<std::string>(8);
  // Most objects have no headers: the parser is spared.
  if (const auto headers = row.column<std::string>(9); headers != "{}") object.headers = parse_json(headers);
  if (!row.is_null(10)) object.parts = parse_json(row.column<std::string>(10));
  object.tag_count = static_cast<int>(tags_from_json(row.column<std::string>(11)).size());
  return object;
}

void check_conditions(const std::optional<ObjectInfo>& present, const ObjectInfo& wanted, const PutOptions& options) {
  if (options.if_absent && present)
    throw ObjectError(Problem::kPreconditionFailed, "the key exists already", wanted.bucket, wanted.key);
  if (!options.if_match) return;
  if (!present) throw ObjectError(Problem::kNoSuchKey, "the key does not exist", wanted.bucket, wanted.key);
  if (*options.if_match != present->etag && *options.if_match != "*")
    throw ObjectError(Problem::kPreconditionFailed, "the object has another ETag", wanted.bucket, wanted.key);
}

std::vector<std::string> put_object(store::Connection& db, const BucketInfo& bucket, const ObjectInfo& object,
                                    const PutOptions& options, std::string_view upload_id) {
  const auto present = find_object(db, bucket, object.key);
  // Inside the caller's write transaction, so that a condition cannot be overtaken.
  check_conditions(present, object, options);
  const auto json_or_null = [](const Json& value) {
    return value.empty() ? std::nullopt : std::optional(dump_json(value));
  };
  db.prepare(
        "INSERT INTO s3_objects(bucket, key, size, etag, modified, content_type, storage_class, "
        "checksum_algorithm, checksum, checksum_type, blob, upload, headers, tags, parts) "
        "VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (bucket, key) DO UPDATE SET size=excluded.size, "
        "etag=excluded.etag, modified=excluded.modified, content_type=excluded.content_type, "
        "storage_class=excluded.storage_class, checksum_algorithm=excluded.checksum_algorithm, "
        "checksum=excluded.checksum, checksum_type=excluded.checksum_type, blob=excluded.blob, "
        "upload=excluded.upload, headers=excluded.headers, tags=excluded.tags, parts=excluded.parts")
      .bind(bucket.id, object.key, object.size, object.etag, object.last_modified, object.content_type,
            object.storage_class, object.checksum_algorithm, object.checksum, object.checksum_type, object.blob,
            upload_id, dump_json(object.headers), json_or_null(to_json(options.tags)), json_or_null(object.parts))
      .exec();
  if (!present) return {};
  return unreferenced(db, {present->blob});
}

std::vector<std::string> remove_object(store::Connection& db, const BucketInfo& bucket, std::string_view key) {
  auto removed = db.prepare("DELETE FROM s3_objects WHERE bucket=? AND key=? RETURNING blob");
  std::vector<std::string> blobs;
  removed.bind(bucket.id, key);
  while (removed.step()) blobs.push_back(removed.column<std::string>(0));
  return unreferenced(db, std::move(blobs));
}

bool is_referenced(store::Connection& db, std::string_view blob) {
  return db.prepare("SELECT 1 FROM s3_objects WHERE blob=?1 UNION ALL SELECT 1 FROM s3_parts WHERE blob=?1 LIMIT 1")
      .bind(blob)
      .step();
}

// Asked after the rows have changed, in the same transaction.
std::vector<std::string> unreferenced(store::Connection& db, std::vector<std::string> candidates) {
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  std::erase_if(candidates, [&](const std::string& blob) { return is_referenced(db, blob); });
  return candidates;
}

Json to_json(const Tags& tags) {
  Json out = Json::array();
  for (const auto& [name, value] : tags) out.push_back({name, value});
  return out;
}

Tags tags_from_json(std::string_view text) {
  Tags tags;
  if (text.empty()) return tags;
  for (const auto& tag : parse_json(text))
    tags.emplace_back(tag.at(0).get<std::string>(), tag.at(1).get<std::string>());
  return tags;
}

}  // namespace clary::objects
