// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/model_artifact.h"

#include <fcntl.h>
#include <unistd.h>

#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "base/links.h"
#include "contract/layout.h"
#include "formats/archive.h"
#include "platform/objects/object_source.h"
#include "platform/objects/s3_uri.h"
#include "platform/objects/source_plan.h"

namespace clary::serving {
namespace {

namespace fs = std::filesystem;

constexpr const char* kContainer = "container_1";  // the service's name of a container without ContainerHostname

// The texts are the service's own, because users search for them; only the text in parentheses is added.
DeployError download_failed(const std::string& url) {
  return DeployError("Failed to download model data for container \"" + std::string(kContainer) + "\" from URL: \"" +
                     url +
                     "\". Please ensure that there is an object located at the URL and that the role passed to "
                     "CreateModel has permissions to download the object.");
}

DeployError unusable_key(const std::string& url, const std::string& detail) {
  return DeployError("Failed to download model data for container \"" + std::string(kContainer) + "\" from URL: \"" +
                     url + "\": the object name " + detail + ".");
}

DeployError extract_failed(const std::string& url, const std::string& detail) {
  return DeployError(
      "Failed to extract model data archive for container \"" + std::string(kContainer) + "\" from URL \"" + url +
      "\". Please ensure that the object located at the URL is a valid tar.gz archive. (" + detail + ")");
}

// The archive is read through an open descriptor, not through its path: a delete of the object while it is unpacked
// changes nothing, since the blob keeps its bytes until the descriptor is closed.
void unpack(const ContainerSpec& container, objects::ObjectSource& source, const fs::path& folder) {
  const auto uri = objects::parse_s3_uri(container.model_url);
  auto object = uri ? source.open(uri->bucket, uri->key) : std::nullopt;
  if (!object) throw download_failed(container.model_url);
  try {
    formats::unpack_tar_gz("/proc/self/fd/" + std::to_string(object->fd.get()), folder);
  } catch (const Error& e) {
    throw extract_failed(container.model_url, e.what());
  }
}

/// Objects below a prefix: hard links of the store's files, which never change, or copies where no link can be made.
/// Hard links cost no bytes and stay valid when the object is deleted; the sandbox binds the folder read-only, so that
/// a program cannot write into the store's files.
void place_prefix(const ContainerSpec& container, objects::ObjectSource& source, const fs::path& folder) {
  try {
    for (const auto& object :
         objects::plan_source({{"S3DataType", "S3Prefix"}, {"S3Uri", container.model_url}}, source)) {
      // Keys are foreign: one with ".." would make a file anywhere on this machine.
      const fs::path target = place_in(folder, object.relative);
      // A source whose bytes are not on this machine names no file: those objects are copied.
      if (!object.file.empty()) {
        const std::error_code reason = link_or_copy(source.local_root() / object.file, target);
        if (!reason) continue;
        // Replaced since it was listed, and its file gone: what has the key now is copied.
        if (reason != std::errc::no_such_file_or_directory) throw std::system_error(reason, target.string());
      }
      const auto opened = source.open(object.bucket, object.key);
      if (!opened) throw download_failed(container.model_url);  // removed since it was listed
      fs::copy_file("/proc/self/fd/" + std::to_string(opened->fd.get()), target);
    }
  } catch (const DeployError&) {
    throw;
  } catch (const Error& error) {
    // kInvalid comes from place_in(): the key is not usable as a relative path.
    if (error.kind() == Kind::kInvalid) throw unusable_key(container.model_url, error.what());
    throw download_failed(container.model_url);
  }
}

/// All that was written below the folder: one commit of the file system's journal, however many files there are.
void sync_files(const fs::path& folder) {
  const UniqueFd fd = open_file(folder, O_RDONLY | O_DIRECTORY);
  if (::syncfs(fd.get()) != 0) throw_errno("syncfs " + folder.string());
}

}  // namespace

ContainerSpec container_spec(const Json& definition) {
  ContainerSpec spec;
  spec.image = definition.value("Image", "");
  spec.model_url = definition.value("ModelDataUrl", "");
  spec.host_name = definition.value("ContainerHostname", "primary");
  if (definition.contains("Environment"))
    spec.environment = definition["Environment"].get<std::map<std::string, std::string>>();
  // emplace: an environment that the user set wins over the default.
  spec.environment.emplace(contract::kEnvImage, spec.image);
  if (definition.contains("ModelDataSource") && definition["ModelDataSource"].contains("S3DataSource")) {
    const Json& source = definition["ModelDataSource"]["S3DataSource"];
    spec.model_url = source.value("S3Uri", "");
    spec.model_is_prefix = source.value("S3DataType", "") == "S3Prefix";
  }
  return spec;
}

bool model_data_exists(const ContainerSpec& container, objects::ObjectSource& source) {
  const auto uri = objects::parse_s3_uri(container.model_url);
  if (!uri) return false;
  if (!container.model_is_prefix) return source.head(uri->bucket, uri->key).has_value();
  if (!source.bucket(uri->bucket)) return false;
  objects::ListQuery query;
  query.prefix = uri->key;
  query.max_keys = 1;
  return !source.list(uri->bucket, query).objects.empty();
}

void prepare_model(const ContainerSpec& container, objects::ObjectSource& source, const fs::path& folder) {
  // `complete` is the commit mark: it is written last, so that a folder without it holds a model that a crash cut
  // short, and is made again from the beginning.
  const fs::path done = folder / "complete", model = folder / "model";
  if (fs::exists(done)) return;
  try {
    fs::remove_all(folder);
    fs::create_directories(model);
    if (container.model_url.empty()) {
    } else if (container.model_is_prefix) {
      place_prefix(container, source, model);
    } else {
      unpack(container, source, model);
    }
    sync_files(folder);
    write_file_durably(done, "");
  } catch (const DeployError&) {
    throw;
  } catch (const std::exception& e) {
    throw DeployError("InternalServerError: the model could not be put on the disk: " + std::string(e.what()));
  }
}

}  // namespace clary::serving
