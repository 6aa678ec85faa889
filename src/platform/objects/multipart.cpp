// SPDX-License-Identifier: Apache-2.0
// Parts are blobs of their own. Completing joins them into one blob (jobs hard-link objects, so an object is one file)
// and swaps upload for object in one transaction; a single part simply becomes the object's blob.
#include <fcntl.h>

#include <map>

#include "base/ids.h"
#include "platform/objects/checksum.h"
#include "platform/objects/names.h"
#include "platform/objects/object_store.h"
#include "platform/objects/rows.h"

namespace clary::objects {

namespace {

[[noreturn]] void fail(Problem problem, const std::string& message, std::string_view bucket, std::string_view key) {
  throw ObjectError(problem, message, std::string(bucket), std::string(key));
}

std::optional<MultipartInfo> find_upload(store::Connection& db, const BucketInfo& bucket, std::string_view key,
                                         std::string_view id) {
  auto row = db.prepare(
      "SELECT created, storage_class, checksum_algorithm, checksum_type FROM s3_uploads "
      "WHERE id=? AND bucket=? AND key=?");
  if (!row.bind(id, bucket.id, key).step()) return std::nullopt;
  return MultipartInfo{std::string(id),
                       bucket.name,
                       std::string(key),
                       row.column<EpochMs>(0),
                       row.column<std::string>(1),
                       row.column<std::string>(2),
                       row.column<std::string>(3)};
}

MultipartInfo required_upload(store::Connection& db, std::string_view bucket, std::string_view key,
                              std::string_view id) {
  auto found = find_upload(db, required_bucket(db, bucket), key, id);
  if (!found) fail(Problem::kNoSuchUpload, "no multipart upload '" + std::string(id.substr(0, 64)) + "'", bucket, key);
  return *found;
}

std::vector<PartInfo> find_parts(store::Connection& db, std::string_view id, int after, int limit) {
  std::vector<PartInfo> parts;
  auto row = db.prepare(
      "SELECT number, size, etag, modified, checksum, blob FROM s3_parts WHERE upload=? AND number>? "
      "ORDER BY number LIMIT ?");
  row.bind(id, after, limit);
  while (row.step())
    parts.push_back({row.column<int>(0), row.column<std::uint64_t>(1), row.column<std::string>(2),
                     row.column<EpochMs>(3), row.column<std::string>(4), row.column<std::string>(5)});
  return parts;
}

/// Removes an upload with its parts. @return blobs of the parts
/// RETURNING with the DELETE: the blobs of exactly the rows that went.
std::vector<std::string> remove_upload(store::Connection& db, std::string_view id) {
  std::vector<std::string> blobs;
  {
    auto parts = db.prepare("DELETE FROM s3_parts WHERE upload=? RETURNING blob");
    parts.bind(id);
    while (parts.step()) blobs.push_back(parts.column<std::string>(0));
  }
  db.prepare("DELETE FROM s3_uploads WHERE id=?").bind(id).exec();
  return blobs;
}

/// The listed parts, each checked against the client's list.
/// All of the client's list, in ascending order without repetition (S3's rule); parts that were uploaded and are not
/// listed are dropped with the upload.
std::vector<PartInfo> chosen_parts(const std::vector<PartInfo>& uploaded, std::span<const CompletedPart> list,
                                   std::string_view bucket, std::string_view key) {
  std::map<int, const PartInfo*> by_number;
  for (const auto& part : uploaded) by_number.emplace(part.number, &part);
  std::vector<PartInfo> chosen;
  for (const auto& wanted : list) {
    const std::string name = "part " + std::to_string(wanted.number);
    if (!chosen.empty() && wanted.number <= chosen.back().number)
      fail(Problem::kInvalidPartOrder, name + " comes after part " + std::to_string(chosen.back().number), bucket, key);
    const auto found = by_number.find(wanted.number);
    if (found == by_number.end()) fail(Problem::kInvalidPart, name + " was not uploaded", bucket, key);
    if (found->second->etag != wanted.etag) fail(Problem::kInvalidPart, name + " has another ETag", bucket, key);
    if (wanted.checksum && !found->second->checksum.empty() && *wanted.checksum != found->second->checksum)
      fail(Problem::kInvalidPart, name + " has another checksum", bucket, key);
    chosen.push_back(*found->second);
  }
  if (chosen.empty()) fail(Problem::kInvalidPart, "the list of parts is empty", bucket, key);
  // The last part may have any size.
  for (std::size_t i = 0; i + 1 < chosen.size(); ++i)
    if (chosen[i].size < kMinPartBytes)
      fail(Problem::kPartTooSmall,
           "part " + std::to_string(chosen[i].number) + " has " + std::to_string(chosen[i].size) +
               " bytes; every part but the last needs " + std::to_string(kMinPartBytes),
           bucket, key);
  return chosen;
}

// S3's ETag of a multipart object: MD5 over the binary MD5s of its parts, then "-" and their number.
std::string etag_of(const std::vector<PartInfo>& parts) {
  Hasher md5(Digest::kMd5);
  for (const auto& part : parts) md5.update(from_hex(part.etag).value_or(""));
  return to_hex(md5.finish()) + "-" + std::to_string(parts.size());
}

// COMPOSITE: a digest over the parts' digests. FULL_OBJECT, CRCs only: the CRC of all bytes, computed from the parts'
// CRCs and sizes without reading a byte.
std::string checksum_of(const std::vector<PartInfo>& parts, Digest kind, bool full_object) {
  if (!full_object) {
    Hasher hasher(kind);
    for (const auto& part : parts) hasher.update(from_base64(part.checksum).value_or(""));
    return to_base64(hasher.finish()) + "-" + std::to_string(parts.size());
  }
  std::string crc = from_base64(parts.front().checksum).value_or("");
  for (std::size_t i = 1; i < parts.size(); ++i)
    crc = combined_crc(kind, crc, from_base64(parts[i].checksum).value_or(""), parts[i].size);
  return to_base64(crc);
}

}  // namespace

struct ObjectStore::Completion {
  std::string upload_id;
  ObjectInfo object;
  PutOptions options;  // metadata of the upload, conditions of the completion
  std::vector<PartInfo> parts;
};

MultipartInfo ObjectStore::create_multipart(std::string_view bucket, std::string_view key, const PutOptions& options,
                                            std::string_view checksum_algorithm, std::string_view checksum_type) {
  check_key(bucket, key);
  MultipartInfo upload{random_hex(24),
                       std::string(bucket),
                       std::string(key),
                       now_ms(),
                       options.storage_class,
                       std::string(checksum_algorithm),
                       std::string(checksum_type)};
  database_.write([&](store::Connection& db) {
    db.prepare(
          "INSERT INTO s3_uploads(id, bucket, key, created, content_type, storage_class, checksum_algorithm, "
          "checksum_type, headers, tags) VALUES(?,?,?,?,?,?,?,?,?,?)")
        .bind(upload.id, required_bucket(db, bucket).id, key, upload.created, options.content_type,
              options.storage_class, checksum_algorithm, checksum_type, dump_json(options.headers),
              dump_json(to_json(options.tags)))
        .exec();
  });
  return upload;
}

MultipartInfo ObjectStore::multipart(std::string_view bucket, std::string_view key, std::string_view upload_id) {
  return database_.read([&](store::Connection& db) { return required_upload(db, bucket, key, upload_id); });
}

std::vector<PartInfo> ObjectStore::parts(std::string_view bucket, std::string_view key, std::string_view upload_id,
                                         int after_number, int limit) {
  return database_.read([&](store::Connection& db) {
    required_upload(db, bucket, key, upload_id);
    return find_parts(db, upload_id, after_number, limit);
  });
}

std::vector<MultipartInfo> ObjectStore::multiparts(std::string_view bucket, std::string_view prefix,
                                                   std::string_view after_key, std::string_view after_id, int limit) {
  return database_.read([&](store::Connection& db) {
    std::vector<MultipartInfo> out;
    auto row = db.prepare(
        "SELECT id, key, created, storage_class, checksum_algorithm, checksum_type FROM s3_uploads "
        "WHERE bucket=?1 AND key>=?2 AND (key, id)>(?3, ?4) ORDER BY key, id");
    row.bind(required_bucket(db, bucket).id, prefix, after_key, after_id);
    while (static_cast<int>(out.size()) < limit && row.step()) {
      MultipartInfo upload{row.column<std::string>(0), std::string(bucket),        row.column<std::string>(1),
                           row.column<EpochMs>(2),     row.column<std::string>(3), row.column<std::string>(4),
                           row.column<std::string>(5)};
      if (!upload.key.starts_with(prefix)) break;
      out.push_back(std::move(upload));
    }
    return out;
  });
}

void ObjectStore::abort_multipart(std::string_view bucket, std::string_view key, std::string_view upload_id) {
  remove_unreferenced([&](store::Connection& db) {
    required_upload(db, bucket, key, upload_id);
    return unreferenced(db, remove_upload(db, upload_id));
  });
}

// A part number that is uploaded again replaces the earlier part; its blob becomes garbage in the same transaction.
PartInfo ObjectStore::commit_upload_part(Upload& upload, std::string_view bucket, std::string_view key,
                                         std::string_view upload_id, int number) {
  PartInfo part{number, upload.size(), to_hex(upload.md5()), 0, to_base64(upload.checksum()), upload.claim_->id()};
  commit_blob(upload, [&](store::Connection& db) {
    required_upload(db, bucket, key, upload_id);
    part.last_modified = now_ms();
    std::vector<std::string> replaced;
    {
      auto old = db.prepare("DELETE FROM s3_parts WHERE upload=? AND number=? RETURNING blob");
      old.bind(upload_id, number);
      while (old.step()) replaced.push_back(old.column<std::string>(0));
    }
    db.prepare("INSERT INTO s3_parts(upload, number, size, etag, modified, checksum, blob) VALUES(?,?,?,?,?,?,?)")
        .bind(upload_id, number, part.size, part.etag, part.last_modified, part.checksum, part.blob)
        .exec();
    return unreferenced(db, std::move(replaced));
  });
  return part;
}

ObjectInfo ObjectStore::complete_multipart(std::string_view bucket, std::string_view key, std::string_view upload_id,
                                           std::span<const CompletedPart> list, const CompleteOptions& options) {
  Completion completion;
  // Everything that can be checked is checked in a read transaction, before the parts are joined (which may copy many
  // GB). The write transaction at the end checks again what may have changed meanwhile.
  completion.upload_id = upload_id;
  ObjectInfo& object = completion.object;
  std::vector<PartInfo> uploaded;
  std::optional<ObjectInfo> completed_before;
  database_.read([&](store::Connection& db) {
    const BucketInfo found = required_bucket(db, bucket);
    auto row = db.prepare(
        "SELECT content_type, storage_class, checksum_algorithm, checksum_type, headers, tags FROM s3_uploads "
        "WHERE id=? AND bucket=? AND key=?");
    if (!row.bind(upload_id, found.id, key).step()) {
      // The upload is gone: either a repeated request (a client that lost the answer), whose object is answered again,
      // or there never was such an upload.
      auto done = db.prepare("SELECT 1 FROM s3_objects WHERE bucket=? AND key=? AND upload=?");
      if (!upload_id.empty() && done.bind(found.id, key, upload_id).step()) {
        completed_before = find_object(db, found, key);
        return;
      }
      required_upload(db, bucket, key, upload_id);
    }
    object.bucket = bucket;
    object.key = key;
    object.content_type = row.column<std::string>(0);
    object.storage_class = row.column<std::string>(1);
    object.checksum_algorithm = row.column<std::string>(2);
    object.checksum_type = row.column<std::string>(3);
    object.headers = parse_json(row.column<std::string>(4));
    completion.options.tags = tags_from_json(row.column<std::string>(5));
    uploaded = find_parts(db, upload_id, 0, kMaxParts);
  });
  if (completed_before) return *completed_before;

  completion.parts = chosen_parts(uploaded, list, bucket, key);
  completion.options.if_absent = options.if_absent;
  completion.options.if_match = options.if_match;
  object.etag = etag_of(completion.parts);
  object.parts = Json::array();
  for (const auto& part : completion.parts) {
    object.size += part.size;
    object.parts.push_back({{"Size", part.size}, {"Checksum", part.checksum}});
  }
  if (const auto kind = checksum_named(object.checksum_algorithm))
    object.checksum = checksum_of(completion.parts, *kind, object.checksum_type == "FULL_OBJECT");
  if (options.checksum && *options.checksum != object.checksum)
    fail(Problem::kBadChecksum, "the object's checksum is " + object.checksum, bucket, key);
  if (options.size && *options.size != object.size)
    fail(Problem::kBadSize, "the object has " + std::to_string(object.size) + " bytes", bucket, key);
  commit_completion(completion);
  return object;
}

void ObjectStore::commit_completion(Completion& completion) {
  ObjectInfo& object = completion.object;
  bool lost_the_race = false;  // another completion of the same upload came first
  // Runs inside the write transaction, possibly on another caller's thread (see store::Database), which is why it
  // captures by reference only what outlives the call.
  const auto swap = [&](store::Connection& db) -> std::vector<std::string> {
    const BucketInfo bucket = required_bucket(db, object.bucket);
    if (!find_upload(db, bucket, object.key, completion.upload_id)) {
      lost_the_race = true;
      if (db.prepare("SELECT 1 FROM s3_objects WHERE bucket=? AND key=? AND upload=?")
              .bind(bucket.id, object.key, completion.upload_id)
              .step()) {
        object = *find_object(db, bucket, object.key);
        return {};
      }
      fail(Problem::kNoSuchUpload, "the multipart upload was aborted meanwhile", object.bucket, object.key);
    }
    // The single part's blob becomes the object's without a copy; it must still be named by its part, else the sweep
    // or a replacement may have removed it.
    if (completion.parts.size() == 1 && !is_referenced(db, object.blob))
      fail(Problem::kInvalidPart, "the part was replaced meanwhile", object.bucket, object.key);
    object.last_modified = now_ms();
    auto garbage = put_object(db, bucket, object, completion.options, completion.upload_id);
    const auto parts = remove_upload(db, completion.upload_id);
    garbage.insert(garbage.end(), parts.begin(), parts.end());
    return unreferenced(db, std::move(garbage));
  };
  if (completion.parts.size() == 1) {
    object.blob = completion.parts.front().blob;
    remove_unreferenced(swap);
    return;
  }
  // Outside any transaction: joining takes long, and the single writer must not wait for it. On file systems with
  // reflinks (XFS, Btrfs) copy_file_range() shares the blocks.
  Upload joined = begin();
  for (const auto& part : completion.parts) {
    // The parts carry no claim: one that is replaced meanwhile vanishes, which open() notices; an open descriptor
    // keeps its bytes.
    UniqueFd fd(::open(blobs_.path(part.blob).c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd && errno == ENOENT)
      fail(Problem::kInvalidPart, "part " + std::to_string(part.number) + " was replaced meanwhile", object.bucket,
           object.key);
    if (!fd) throw_errno("part " + part.blob);
    joined.append_file(fd.get(), part.size);
  }
  object.blob = joined.claim_->id();
  commit_blob(joined, swap);
  // The object of the other completion was answered: this joined file is not named by anything.
  if (lost_the_race) joined.kept_ = false;
}

}  // namespace clary::objects
