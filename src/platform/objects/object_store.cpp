// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/object_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "platform/objects/checksum.h"
#include "platform/objects/names.h"
#include "platform/objects/rows.h"

namespace clary::objects {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kCopyBytes = 1 << 20;

}  // namespace

ObjectStore::ObjectStore(const fs::path& root, store::Database& database) : database_(database), blobs_(root) {
  database_.migrate("s3", schema_steps());
  // On a thread of its own: a store of millions of blobs is ready at once. jthread asks it to stop and joins it.
  sweeper_ = std::jthread([this](const std::stop_token& stop) {
    try {
      if (const std::size_t removed = sweep(stop); removed > 0)
        log::info("objects: removed {} files that an interrupted upload or delete had left", removed);
    } catch (const std::exception& e) {
      log::warn("objects: the sweep stopped: {}", e.what());
    }
  });
}

ObjectStore::~ObjectStore() = default;

std::size_t ObjectStore::sweep(const std::stop_token& stop) {
  const auto referenced = [this](const std::string& id) {
    return database_.read([&](store::Connection& db) { return is_referenced(db, id); });
  };
  return blobs_.sweep(referenced, stop);
}

std::optional<ObjectInfo> ObjectStore::head(std::string_view bucket, std::string_view key) {
  return database_.read([&](store::Connection& db) -> std::optional<ObjectInfo> {
    const auto found = find_bucket(db, bucket);
    return found ? find_object(db, *found, key) : std::nullopt;
  });
}

// Two steps without a common lock: the row, then its file. A blob's file is removed after the transaction that drops
// its last row, so a file that is missing means that the row has changed since; if the row still names it the file is
// really lost.
std::optional<OpenObject> ObjectStore::open(std::string_view bucket, std::string_view key) {
  std::string missing;
  for (;;) {
    auto object = head(bucket, key);
    if (!object) return std::nullopt;
    UniqueFd fd(::open(blob_path(*object).c_str(), O_RDONLY | O_CLOEXEC));
    if (fd) return OpenObject{std::move(*object), std::move(fd)};
    if (errno != ENOENT) throw_errno(blob_path(*object).string());
    if (object->blob == missing)
      throw Error(Kind::kInternal, "the bytes of s3://" + object->bucket + "/" + object->key +
                                       " are not there: " + blob_path(*object).string());
    missing = object->blob;  // replaced between the two steps: look again
  }
}

void ObjectStore::check_conditions(std::string_view bucket, std::string_view key, const PutOptions& options) {
  database_.read([&](store::Connection& db) {
    ObjectInfo wanted;
    wanted.bucket = bucket;
    wanted.key = key;
    objects::check_conditions(find_object(db, required_bucket(db, bucket), key), wanted, options);
  });
}

Upload ObjectStore::begin(std::optional<Digest> checksum) { return {*this, blobs_, checksum}; }

ObjectInfo ObjectStore::put_file(std::string_view bucket, std::string_view key, const fs::path& file,
                                 const PutOptions& options) {
  const UniqueFd fd = open_file(file, O_RDONLY);
  Upload upload = begin();
  std::vector<std::byte> buffer(kCopyBytes);
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("read " + file.string());
    if (n == 0) return upload.commit(bucket, key, options);
    upload.write(std::span(buffer).first(static_cast<std::size_t>(n)));
  }
}

ObjectInfo ObjectStore::put_text(std::string_view bucket, std::string_view key, std::string_view text,
                                 const PutOptions& options) {
  Upload upload = begin();
  upload.write(text);
  return upload.commit(bucket, key, options);
}

// The order is: bytes and folder durable, then the transaction. A crash before the commit leaves a blob that the index
// does not name (the sweep removes it); one after it leaves a complete object.
void ObjectStore::commit_blob(Upload& upload, const std::function<std::vector<std::string>(store::Connection&)>& f) {
  blobs_.publish(*upload.claim_, upload.fd_.get());
  std::vector<std::string> garbage;
  try {
    garbage = database_.write(f);
  } catch (const ObjectError&) {
    throw;  // refused before the commit: the upload drops its file
  } catch (const Error& e) {
    // A commit whose fsync failed may still be found complete after a crash, so its blob is left to the next sweep;
    // after a full disk it cannot be, and the space is wanted back.
    upload.kept_ = e.kind() != Kind::kLimit;
    throw;
  }
  upload.kept_ = true;
  // After the commit, never before: had it failed, a row would name a missing file. A crash in between leaves garbage
  // for the sweep.
  blobs_.remove(garbage);
}

void ObjectStore::remove_unreferenced(const std::function<std::vector<std::string>(store::Connection&)>& f) {
  const std::vector<std::string> garbage = database_.write(f);
  blobs_.remove(garbage);
}

ObjectInfo ObjectStore::commit_upload(Upload& upload, ObjectInfo object, const PutOptions& options) {
  check_key(object.bucket, object.key);
  object.size = upload.size();
  object.blob = upload.claim_->id();
  object.content_type = options.content_type;
  object.headers = options.headers;
  object.storage_class = options.storage_class;
  if (upload.checksum_kind_) {
    object.checksum_algorithm = checksum_name(*upload.checksum_kind_);
    object.checksum = to_base64(upload.checksum());
    object.checksum_type = "FULL_OBJECT";
  }
  commit_blob(upload, [&](store::Connection& db) {
    // The time is taken inside the transaction: the order of the times is the order of the commits.
    object.last_modified = now_ms();
    return put_object(db, required_bucket(db, object.bucket), object, options);
  });
  return object;
}

ObjectInfo ObjectStore::copy(const ObjectInfo& source, std::string_view bucket, std::string_view key,
                             const PutOptions& options) {
  check_key(bucket, key);
  ObjectInfo object = source;
  object.bucket = bucket;
  object.key = key;
  object.content_type = options.content_type;
  object.headers = options.headers;
  object.storage_class = options.storage_class;
  remove_unreferenced([&](store::Connection& db) {
    const BucketInfo target = required_bucket(db, bucket);
    // The source's blob may have lost its last row since it was looked up. Inside the transaction a referenced blob
    // cannot go: removals are transactions of the same single writer.
    if (!is_referenced(db, source.blob))
      throw ObjectError(Problem::kNoSuchKey, "the source was removed meanwhile", source.bucket, source.key);
    object.last_modified = now_ms();
    return put_object(db, target, object, options);
  });
  return object;
}

void ObjectStore::remove(std::string_view bucket, std::string_view key, const std::optional<std::string>& if_match) {
  remove_unreferenced([&](store::Connection& db) {
    const BucketInfo found = required_bucket(db, bucket);
    if (if_match) {
      PutOptions conditions;
      conditions.if_match = if_match;
      ObjectInfo wanted;
      wanted.bucket = bucket;
      wanted.key = key;
      objects::check_conditions(find_object(db, found, key), wanted, conditions);
    }
    return remove_object(db, found, key);
  });
}

void ObjectStore::remove(std::string_view bucket, std::span<const std::string> keys) {
  remove_unreferenced([&](store::Connection& db) {
    const BucketInfo found = required_bucket(db, bucket);
    std::vector<std::string> garbage;
    for (const auto& key : keys) {
      auto blobs = remove_object(db, found, key);
      garbage.insert(garbage.end(), blobs.begin(), blobs.end());
    }
    return garbage;
  });
}

Tags ObjectStore::tags(std::string_view bucket, std::string_view key) {
  return database_.read([&](store::Connection& db) {
    const BucketInfo found = required_bucket(db, bucket);
    auto row = db.prepare("SELECT tags FROM s3_objects WHERE bucket=? AND key=?");
    if (!row.bind(found.id, key).step())
      throw ObjectError(Problem::kNoSuchKey, "the key does not exist", std::string(bucket), std::string(key));
    return tags_from_json(row.column<std::string>(0));
  });
}

void ObjectStore::set_tags(std::string_view bucket, std::string_view key, const Tags& tags) {
  database_.write([&](store::Connection& db) {
    const BucketInfo found = required_bucket(db, bucket);
    const auto text = tags.empty() ? std::nullopt : std::optional(dump_json(to_json(tags)));
    db.prepare("UPDATE s3_objects SET tags=? WHERE bucket=? AND key=?").bind(text, found.id, key).exec();
    if (db.changes() == 0)
      throw ObjectError(Problem::kNoSuchKey, "the key does not exist", std::string(bucket), std::string(key));
  });
}

}  // namespace clary::objects
