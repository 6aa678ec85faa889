// SPDX-License-Identifier: Apache-2.0
// Every operation of the route table. Blocking ones run on a worker thread and find their document in `in.body`; the
// streaming ones pull the request's body themselves.
#pragma once

#include "http/message.h"
#include "platform/objects/object_store.h"
#include "platform/services/s3/request.h"

namespace clary::s3 {

struct Context {
  objects::ObjectStore& store;
  http::asio::thread_pool& workers;
};

using http::Response;

// buckets.cpp
Response list_buckets(S3Request& in, Context& context);
Response create_bucket(S3Request& in, Context& context);
Response head_bucket(S3Request& in, Context& context);
Response delete_bucket(S3Request& in, Context& context);
Response get_bucket_location(S3Request& in, Context& context);

// bucket_documents.cpp
Response get_bucket_versioning(S3Request& in, Context& context);
Response get_empty_document(S3Request& in, Context& context);
Response get_missing_document(S3Request& in, Context& context);
Response get_bucket_document(S3Request& in, Context& context);
Response put_bucket_document(S3Request& in, Context& context);
Response delete_bucket_document(S3Request& in, Context& context);

// acl.cpp
Response get_acl(S3Request& in, Context& context);
Response put_acl(S3Request& in, Context& context);

// tagging.cpp
Response get_bucket_tagging(S3Request& in, Context& context);
Response put_bucket_tagging(S3Request& in, Context& context);
Response delete_bucket_tagging(S3Request& in, Context& context);
Response get_object_tagging(S3Request& in, Context& context);
Response put_object_tagging(S3Request& in, Context& context);
Response delete_object_tagging(S3Request& in, Context& context);

// list_objects.cpp
Response list_objects_v1(S3Request& in, Context& context);
Response list_objects_v2(S3Request& in, Context& context);
Response list_object_versions(S3Request& in, Context& context);

// get_object.cpp
Response get_object(S3Request& in, Context& context);
Response head_object(S3Request& in, Context& context);

// object_attributes.cpp
Response get_object_attributes(S3Request& in, Context& context);

// put_object.cpp
http::asio::awaitable<Response> put_object(S3Request& in, Context& context);
http::asio::awaitable<Response> upload_part(S3Request& in, Context& context);

// delete_objects.cpp
Response delete_object(S3Request& in, Context& context);
Response delete_objects(S3Request& in, Context& context);

// copy_object.cpp
Response copy_object(S3Request& in, Context& context);
Response upload_part_copy(S3Request& in, Context& context);

// multipart.cpp
Response create_multipart_upload(S3Request& in, Context& context);
Response complete_multipart_upload(S3Request& in, Context& context);
Response abort_multipart_upload(S3Request& in, Context& context);
Response list_parts(S3Request& in, Context& context);
Response list_multipart_uploads(S3Request& in, Context& context);

// routes.cpp
Response not_implemented_operation(S3Request& in, Context& context);

// --- shared by several
/// The part number of ?partNumber. @throws ServiceError{InvalidArgument}
int part_number(const S3Request& in);
/// Owner or Initiator elements.
class Xml;
void add_owner(Xml& xml, std::string_view element, const S3Request& in);
/// A name in the listing's encoding-type.
std::string encoded(std::string_view name, bool url);
bool wants_url_encoding(const S3Request& in);
/// Only "" and "null" name a version here. @throws ServiceError{InvalidArgument, NoSuchVersion}
void check_version(std::string_view version);

}  // namespace clary::s3
