// SPDX-License-Identifier: Apache-2.0
// What a serving container needs, as CreateModel's ContainerDefinition says it, and getting its model on the disk. The
// archive is foreign: it is unpacked by formats/archive, which refuses links and paths that leave the folder.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "base/error.h"
#include "base/json.h"

namespace clary::objects {
class ObjectSource;
}

namespace clary::serving {

/// A deployment or transform that cannot go on; the message is the FailureReason that the user reads.
class DeployError : public Error {
 public:
  explicit DeployError(const std::string& reason) : Error(Kind::kInvalid, reason) {}
};

struct ContainerSpec {
  std::string image;
  std::map<std::string, std::string> environment;
  std::string model_url;         // "" when the container has no model data
  bool model_is_prefix = false;  // ModelDataSource with S3Prefix: objects as they are, not an archive
  std::string host_name = "primary";
};

/// From a ContainerDefinition.
ContainerSpec container_spec(const Json& definition);

/// True when at least one object is there.
bool model_data_exists(const ContainerSpec& container, objects::ObjectSource& source);

/// Puts the model into `folder`/model, unless a complete one is there already (after a restart).
/// @throws DeployError with the service's own FailureReason
void prepare_model(const ContainerSpec& container, objects::ObjectSource& source, const std::filesystem::path& folder);

}  // namespace clary::serving
