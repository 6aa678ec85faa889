// SPDX-License-Identifier: Apache-2.0
// The container contract as names: the tree under /opt/ml, environment variables, exit codes, limits. The agent lays
// this out, the algorithm shell reads it; neither knows anything else of the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace clary::contract {

inline constexpr std::string_view kRoot = "/opt/ml";

/// Environment variables.
inline constexpr const char* kEnvRoot = "CLARY_ML_ROOT";            // Clary only: the tree's root when not /opt/ml
inline constexpr const char* kEnvBindSocket = "CLARY_BIND_SOCKET";  // Clary only: serve on this Unix socket, not on TCP
inline constexpr const char* kEnvThreads = "CLARY_THREADS";         // Clary only: CPU threads of the program
inline constexpr const char* kEnvImage = "CLARY_IMAGE";             // Clary only: the image the user asked for
inline constexpr const char* kEnvPretrained =
    "CLARY_PRETRAINED";  // Clary only: folder of weights that a job may begin from
inline constexpr const char* kEnvBindPort = "SAGEMAKER_BIND_TO_PORT";
inline constexpr const char* kEnvTrainingJobName = "TRAINING_JOB_NAME";
inline constexpr const char* kEnvTrainingJobArn = "TRAINING_JOB_ARN";
inline constexpr const char* kEnvBatch = "SAGEMAKER_BATCH";
inline constexpr const char* kEnvMaxPayloadInMb = "SAGEMAKER_MAX_PAYLOAD_IN_MB";
inline constexpr const char* kEnvBatchStrategy = "SAGEMAKER_BATCH_STRATEGY";
inline constexpr const char* kEnvMaxConcurrentTransforms = "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS";

/// The one argument the program is started with.
inline constexpr std::string_view kTrain = "train";
inline constexpr std::string_view kServe = "serve";

/// Exit codes of our own programs; the platform looks only at zero or not.
inline constexpr int kExitSuccess = 0;
inline constexpr int kExitClientError = 1;     // the user's mistake: `ClientError: ...` in the failure file
inline constexpr int kExitAlgorithmError = 2;  // Clary only: `AlgorithmError: ...`

inline constexpr std::size_t kMaxFailureChars = 1024;          // AWS reads this much of output/failure
inline constexpr std::uint16_t kServingPort = 8080;            // AWS: fixed
inline constexpr std::uint64_t kMaxRequestBytes = 6'291'456;   // AWS: MAX_CONTENT_LENGTH of the serving containers
inline constexpr std::uint64_t kMaxConfigBytes = 16ULL << 20;  // Clary's limit: a larger file is no config file
inline constexpr std::size_t kMaxChannels = 64;                // Clary's limit; AWS allows 20

/// Paths of the tree.
struct Layout {
  std::filesystem::path root{kRoot};

  std::filesystem::path config_dir() const { return root / "input/config"; }
  std::filesystem::path hyperparameters() const { return config_dir() / "hyperparameters.json"; }
  std::filesystem::path input_data_config() const { return config_dir() / "inputdataconfig.json"; }
  std::filesystem::path resource_config() const { return config_dir() / "resourceconfig.json"; }
  std::filesystem::path checkpoint_config() const { return config_dir() / "checkpointconfig.json"; }
  std::filesystem::path data_dir() const { return root / "input/data"; }
  std::filesystem::path channel_dir(std::string_view channel) const { return data_dir() / channel; }
  std::filesystem::path channel_fifo(std::string_view channel, std::int64_t epoch) const {
    return data_dir() / (std::string(channel) + "_" + std::to_string(epoch));
  }
  std::filesystem::path model_dir() const { return root / "model"; }
  std::filesystem::path output_dir() const { return root / "output"; }
  std::filesystem::path output_data_dir() const { return output_dir() / "data"; }
  std::filesystem::path failure() const { return output_dir() / "failure"; }
  std::filesystem::path checkpoint_dir() const { return root / "checkpoints"; }
};

}  // namespace clary::contract
