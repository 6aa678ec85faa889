// SPDX-License-Identifier: Apache-2.0
// One run of a transform job, from the model on the disk to the last output object. Blocking, on the job's own threads:
// one for each instance, each with its own serving process and its share of the objects. What it invokes runs on the
// serving loop, so that several requests are in the air while their answers are written in order.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "platform/objects/source_plan.h"
#include "platform/serving/endpoints.h"
#include "platform/serving/transform_spec.h"

namespace clary::serving {

class TransformRun {
 public:
  /// @param container  of the model
  TransformRun(Endpoints& endpoints, std::string job, TransformSpec spec, ContainerSpec container);

  /// @return "" or the FailureReason. When stop() was called the outputs already written are removed again.
  std::string run();
  /// From any thread: gives up soon. `keep_outputs`: the job will run again (the server stops).
  void stop(bool keep_outputs);
  bool stopped() const noexcept { return stopped_.load(); }

 private:
  struct Answer {
    int status = 0;  // 0: none
    std::string body;
  };
  struct Instance;
  struct Sent;
  enum class Fault { kNone, kClient, kAlgorithm };

  std::string run_instances(const std::vector<objects::PlannedObject>& objects);
  void run_instance(Instance& instance);
  void prepare(Instance& instance);
  Fault transform(Instance& instance, const objects::PlannedObject& object);
  Fault transform_open(Instance& instance, const objects::PlannedObject& object, objects::Upload& upload,
                       const std::string& path);
  Fault accept(Instance& instance, const objects::PlannedObject& object, const Payload& payload, Answer answer,
               objects::Upload& upload);
  void wait_for_all(Instance& instance);
  void store(const objects::PlannedObject& object, objects::Upload upload);
  void remove_outputs();

  asio::awaitable<Answer> get(std::shared_ptr<ReplicaSet> set, std::string target);
  asio::awaitable<Answer> invoke(std::shared_ptr<ReplicaSet> set, std::string body);
  asio::awaitable<Answer> send(std::shared_ptr<ReplicaSet> set, const http::ClientRequest& request,
                               std::chrono::milliseconds timeout);
  void log(Instance& instance, const objects::PlannedObject* object, const std::string& text);
  void fail(std::string reason);

  Endpoints& endpoints_;
  const std::string job_;
  TransformSpec spec_;
  const ContainerSpec container_;
  const std::filesystem::path folder_;
  std::atomic<bool> stopped_ = false, keep_outputs_ = false;

  std::mutex mutex_;  // guards what follows
  std::string reason_;
  std::vector<std::shared_ptr<ReplicaSet>> sets_;
  std::vector<objects::ObjectInfo> written_;
};

}  // namespace clary::serving
