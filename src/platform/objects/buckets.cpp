// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/names.h"
#include "platform/objects/object_store.h"
#include "platform/objects/rows.h"

namespace clary::objects {

void ObjectStore::create_bucket(std::string_view name, std::string_view region) {
  check_bucket_name(name);
  // The look-up and the INSERT are one transaction: two requests for one name cannot both succeed.
  database_.write([&](store::Connection& db) {
    if (find_bucket(db, name))
      throw ObjectError(Problem::kBucketExists, "bucket '" + std::string(name) + "' exists already", std::string(name));
    db.prepare("INSERT INTO s3_buckets(name, region, created) VALUES(?, ?, ?)").bind(name, region, now_ms()).exec();
  });
}

std::optional<BucketInfo> ObjectStore::bucket(std::string_view name) {
  return database_.read([&](store::Connection& db) { return find_bucket(db, name); });
}

std::vector<BucketInfo> ObjectStore::buckets(std::string_view prefix, std::string_view after, int limit) {
  return database_.read([&](store::Connection& db) {
    std::vector<BucketInfo> out;
    // name >= prefix and the break below make this a range of the unique index on names.
    auto row = db.prepare("SELECT id, name, region, created FROM s3_buckets WHERE name>?1 AND name>=?2 ORDER BY name");
    row.bind(after, prefix);
    while (static_cast<int>(out.size()) < limit && row.step()) {
      BucketInfo bucket{row.column<std::int64_t>(0), row.column<std::string>(1), row.column<std::string>(2),
                        row.column<EpochMs>(3)};
      if (!bucket.name.starts_with(prefix)) break;
      out.push_back(std::move(bucket));
    }
    return out;
  });
}

void ObjectStore::remove_bucket(std::string_view name) {
  remove_unreferenced([&](store::Connection& db) {
    const BucketInfo bucket = required_bucket(db, name);
    // LIMIT 1: whether there is one object, not how many.
    if (db.prepare("SELECT 1 FROM s3_objects WHERE bucket=? LIMIT 1").bind(bucket.id).step())
      throw ObjectError(Problem::kBucketNotEmpty, "bucket '" + bucket.name + "' is not empty", bucket.name);
    // The statement must be finished before its rows are deleted, hence the scope. Deleting an upload deletes its
    // parts by the foreign key; their blobs are collected first.
    std::vector<std::string> blobs;
    {
      auto parts = db.prepare(
          "SELECT s3_parts.blob FROM s3_uploads JOIN s3_parts ON s3_parts.upload=s3_uploads.id "
          "WHERE s3_uploads.bucket=?");
      parts.bind(bucket.id);
      while (parts.step()) blobs.push_back(parts.column<std::string>(0));
    }
    db.prepare("DELETE FROM s3_uploads WHERE bucket=?").bind(bucket.id).exec();
    db.prepare("DELETE FROM s3_buckets WHERE id=?").bind(bucket.id).exec();
    return unreferenced(db, std::move(blobs));
  });
}

std::optional<std::string> ObjectStore::bucket_document(std::string_view bucket, std::string_view name) {
  return database_.read([&](store::Connection& db) -> std::optional<std::string> {
    const BucketInfo found = required_bucket(db, bucket);
    auto row = db.prepare("SELECT text FROM s3_bucket_documents WHERE bucket=? AND name=?");
    if (!row.bind(found.id, name).step()) return std::nullopt;
    return row.column<std::string>(0);
  });
}

void ObjectStore::set_bucket_document(std::string_view bucket, std::string_view name,
                                      const std::optional<std::string>& text) {
  database_.write([&](store::Connection& db) {
    const BucketInfo found = required_bucket(db, bucket);
    if (text)
      db.prepare(
            "INSERT INTO s3_bucket_documents(bucket, name, text) VALUES(?, ?, ?) "
            "ON CONFLICT (bucket, name) DO UPDATE SET text=excluded.text")
          .bind(found.id, name, *text)
          .exec();
    else
      db.prepare("DELETE FROM s3_bucket_documents WHERE bucket=? AND name=?").bind(found.id, name).exec();
  });
}

}  // namespace clary::objects
