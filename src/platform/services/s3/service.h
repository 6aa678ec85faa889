// SPDX-License-Identifier: Apache-2.0
// Amazon S3's REST protocol over an ObjectStore. The edge has checked the signature and decoded the body.
#pragma once

#include <string>
#include <vector>

#include "platform/aws/handlers.h"
#include "platform/objects/object_store.h"

namespace clary::s3 {

struct S3Options {
  std::vector<std::string> host_suffixes;  // own domains below which a label names a bucket, beside amazonaws.com
};

/// The handler keeps references to both.
aws::RawHandler s3_handler(objects::ObjectStore& store, http::asio::thread_pool& workers, S3Options options = {});

}  // namespace clary::s3
