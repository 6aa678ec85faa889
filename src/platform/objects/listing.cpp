// SPDX-License-Identifier: Apache-2.0
// Listing walks the (bucket, key) index and, at each common prefix, seeks past all keys below it: its cost is that of
// the lines it answers, not of the keys it hides.
#include <algorithm>

#include "platform/objects/object_store.h"
#include "platform/objects/rows.h"

namespace clary::objects {

namespace {

/// The least text above every text that begins with `prefix`; "\xFF" (above all UTF-8) when there is none.
/// As bytes: add one to the last byte that is not 0xFF. It bounds the walk from above without comparing each key with
/// the prefix.
std::string end_of(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xFF) end.pop_back();
  if (end.empty()) return "\xFF";
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return end;
}

ObjectInfo object_in(const store::Statement& row, const std::string& bucket, std::string key) {
  ObjectInfo object;
  object.bucket = bucket;
  object.key = std::move(key);
  object.size = row.column<std::uint64_t>(1);
  object.etag = row.column<std::string>(2);
  object.last_modified = row.column<EpochMs>(3);
  object.content_type = row.column<std::string>(4);
  object.storage_class = row.column<std::string>(5);
  object.checksum_algorithm = row.column<std::string>(6);
  object.checksum_type = row.column<std::string>(7);
  object.blob = row.column<std::string>(8);
  return object;
}

/// The common prefix that hides `key`, if one does.
std::optional<std::string> common_prefix(const std::string& key, const ListQuery& query) {
  // The delimiter is looked for behind the prefix only, so that a prefix that contains it hides nothing by itself.
  if (query.delimiter.empty()) return std::nullopt;
  const auto at = key.find(query.delimiter, query.prefix.size());
  if (at == std::string::npos) return std::nullopt;
  return key.substr(0, at + query.delimiter.size());
}

/// Where the walk begins: behind `after`, and behind all its keys when it is a common prefix of this query.
std::string first_key(const ListQuery& query) {
  // `after` is exclusive; appending a zero byte gives the smallest text above it.
  if (query.after.empty()) return query.prefix;
  const auto hidden = query.after.starts_with(query.prefix) ? common_prefix(query.after, query) : std::nullopt;
  return std::max(query.prefix, hidden == query.after ? end_of(query.after) : query.after + '\0');
}

Listing listed(store::Connection& db, const BucketInfo& bucket, const ListQuery& query) {
  Listing out;
  // max-keys 0 is legal and answers nothing.
  const int limit = std::clamp(query.max_keys, 0, kMaxListKeys);
  if (limit == 0) return out;
  const std::string end = end_of(query.prefix);
  // The statement runs inside one read transaction: a page is of one moment, even if it is walked in several seeks.
  auto row = db.prepare(
      "SELECT key, size, etag, modified, content_type, storage_class, checksum_algorithm, checksum_type, blob "
      "FROM s3_objects WHERE bucket=? AND key>=? AND key<? ORDER BY key");
  row.bind(bucket.id, first_key(query), end);
  std::string last;
  for (int lines = 0; row.step(); ++lines) {
    // One row beyond the limit is read to know whether there are more; it is not answered.
    if (lines == limit) {
      out.truncated = true;
      out.next = last;
      break;
    }
    auto key = row.column<std::string>(0);
    if (auto hidden = common_prefix(key, query)) {
      // A seek: the statement begins again behind all keys of this common prefix.
      row.reset();
      row.bind(bucket.id, end_of(*hidden), end);
      last = *hidden;
      out.common_prefixes.push_back(std::move(*hidden));
    } else {
      last = key;
      out.objects.push_back(object_in(row, bucket.name, std::move(key)));
    }
  }
  return out;
}

}  // namespace

Listing ObjectStore::list(std::string_view bucket, const ListQuery& query) {
  return database_.read([&](store::Connection& db) { return listed(db, required_bucket(db, bucket), query); });
}

}  // namespace clary::objects
