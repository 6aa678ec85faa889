// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/transform_run.h"

#include <deque>
#include <future>
#include <thread>

#include "base/log.h"
#include "platform/objects/s3_uri.h"
#include "platform/serving/transform_names.h"

namespace clary::serving {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLogGroup = "/aws/sagemaker/TransformJobs";
constexpr std::uint64_t kMaxAnswerBytes = 1ULL << 30;  // Clary's limit
constexpr std::size_t kShownBytes = 512;               // of an error answer, in the data log
constexpr auto kParametersLimit = 5s;
constexpr auto kFirstRetryPause = 100ms;
constexpr auto kNoReplicaLimit = 60s;  // waiting for a process that starts again

std::string summary(const std::string& text) {
  return text.size() <= kShownBytes ? text : text.substr(0, kShownBytes) + "...";
}

}  // namespace

/// A request in the air, and what it asked.
struct TransformRun::Sent {
  Payload payload;
  std::future<Answer> answer;
};

/// What one instance works with.
struct TransformRun::Instance {
  std::string stream;
  std::vector<objects::PlannedObject> objects;
  std::shared_ptr<ReplicaSet> set;
  BatchRules rules;
  int max_concurrent = 1;
  std::optional<telemetry::LogWriter> data_log;
  // The present object's requests, oldest first. Here and not in transform_open(), since their coroutines refer to the
  // run and to the set: whatever is thrown there, run_instance() waits for them.
  std::deque<Sent> window;
};

TransformRun::TransformRun(Endpoints& endpoints, std::string job, TransformSpec spec, ContainerSpec container)
    : endpoints_(endpoints),
      job_(std::move(job)),
      spec_(std::move(spec)),
      container_(std::move(container)),
      folder_(fs::absolute(endpoints.deps().data_folder) / "transforms" / job_) {}

// keep_outputs_ first: run() reads it after it has seen stopped_.
void TransformRun::stop(bool keep_outputs) {
  keep_outputs_ = keep_outputs;
  stopped_ = true;
  // Stopping the processes is what ends requests in flight; without it a run would wait for their timeout. On the
  // loop, since a ReplicaSet may be used there only. The copy lets the lock go before anything is spawned.
  std::vector<std::shared_ptr<ReplicaSet>> sets;
  {
    const std::lock_guard lock(mutex_);
    sets = sets_;
  }
  for (const auto& set : sets)
    asio::co_spawn(
        endpoints_.loop().context(), [set] { return set->drain_and_stop(0ms); }, asio::detached);
}

std::string TransformRun::run() {
  const ServingDeps& deps = endpoints_.deps();
  std::string reason;
  try {
    const auto output = objects::parse_s3_uri(spec_.output_path);
    if (!output || !deps.objects.bucket(output->bucket))
      throw DeployError("ClientError: S3OutputPath " + spec_.output_path + ": the bucket does not exist");
    std::vector<objects::PlannedObject> objects;
    try {
      // The list of inputs is fixed here: objects that are put under the prefix later are not part of the job.
      objects = objects::plan_source(spec_.source, deps.objects);
    } catch (const Error& e) {
      throw DeployError(std::string("ClientError: Data download failed: ") + e.what());
    }
    // Left by a run that a crash interrupted; its model may be incomplete.
    fs::remove_all(folder_);
    prepare_model(container_, deps.objects, folder_);
    reason = run_instances(objects);
  } catch (const DeployError& e) {
    reason = e.what();
  } catch (const std::exception& e) {
    log::error("transform job {}: {}", job_, e.what());
    reason = std::string("InternalServerError: ") + e.what();
  }
  // Only those written by this run and, by their ETag, not replaced by anyone since.
  if (stopped_ && !keep_outputs_) remove_outputs();
  std::error_code ignored;
  // The processes have ended (run_instances() joined), so nothing maps the files.
  fs::remove_all(folder_, ignored);
  return reason;
}

std::string TransformRun::run_instances(const std::vector<objects::PlannedObject>& objects) {
  // More instances than objects would start processes with nothing to do.
  const int count = std::min(sensible_count(spec_.instance_count), std::max(1, static_cast<int>(objects.size())));
  const std::string epoch = std::to_string(now_ms() / 1000);
  const int cpus = static_cast<int>(std::thread::hardware_concurrency());
  std::vector<Instance> instances(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    Instance& instance = instances[static_cast<std::size_t>(i)];
    const std::string id = new_instance_id() + "-" + epoch;
    instance.stream = job_ + "/" + id;
    instance.objects = objects::share_of_host(objects, true, i, count);
    ReplicaSetSpec spec;
    spec.run_root = endpoints_.run_root();
    spec.instance_id = id;
    spec.replica.algorithm = endpoints_.deps().catalog.resolve(container_.image);
    spec.replica.model_folder = folder_ / "model";
    spec.replica.environment = container_.environment;
    // The job's Environment wins over the model's, as in the API.
    for (const auto& [name, value] : spec_.environment) spec.replica.environment[name] = value;
    spec.replica.threads = std::max(1, cpus / count);
    spec.replica.memory_bytes = memory_of(spec_.instance_type);
    spec.replica.port_relay = endpoints_.deps().port_relay;
    spec.replica.allow_plain = endpoints_.deps().allow_plain;
    spec.replica.log_group = kLogGroup;
    spec.replica.log_stream = job_;
    instance.set = std::make_shared<ReplicaSet>(endpoints_.loop(), endpoints_.deps().logs, std::move(spec));
    // stop() may come at any time from now on and must find every set that exists.
    const std::lock_guard lock(mutex_);
    sets_.push_back(instance.set);
  }
  // Threads block in this class, coroutines do not: each instance has its thread, and what it invokes runs on the
  // loop. All threads end before `instances` goes.
  std::vector<std::jthread> threads;  // joined also when the next one cannot be started
  for (Instance& instance : instances) threads.emplace_back([this, &instance] { run_instance(instance); });
  threads.clear();
  const std::lock_guard lock(mutex_);
  return reason_;
}

void TransformRun::fail(std::string reason) {
  const std::lock_guard lock(mutex_);
  if (reason_.empty()) reason_ = std::move(reason);
}

void TransformRun::run_instance(Instance& instance) {
  try {
    // A stop between the set's registration and here has drained it already; starting it now would leave a process
    // behind.
    if (stopped_) return;
    prepare(instance);
    for (const objects::PlannedObject& object : instance.objects) {
      // Objects go on after a fault: AWS writes what can be written and fails the job at its end.
      if (stopped_) break;
      const Fault fault = transform(instance, object);
      // A stop ends requests with errors, which are no fault of the data.
      if (stopped_) break;
      if (fault == Fault::kClient) fail("ClientError: See job logs for more information");
      if (fault == Fault::kAlgorithm) fail("AlgorithmError: See job logs for more information");
    }
  } catch (const DeployError& e) {
    fail(e.what());
  } catch (const std::exception& e) {
    log::error("transform job {}: {}", job_, e.what());
    fail(std::string("InternalServerError: ") + e.what());
  }
  // On every path, since a set with running processes must not be dropped. The future is waited for, so that no
  // coroutine of it outlives this call. It also ends the requests that an exception left in the window: soon.
  asio::co_spawn(endpoints_.loop().context(), instance.set->drain_and_stop(0ms), asio::use_future).wait();
  wait_for_all(instance);
}

void TransformRun::wait_for_all(Instance& instance) {
  for (Sent& sent : instance.window)
    if (sent.answer.valid()) sent.answer.wait();  // invalid: the request could not be begun
  instance.window.clear();
}

void TransformRun::prepare(Instance& instance) {
  // start and ready in one coroutine: a ReplicaSet is touched on the loop's thread only.
  auto& context = endpoints_.loop().context();
  const bool ready = asio::co_spawn(
                         context,
                         [set = instance.set]() -> asio::awaitable<bool> {
                           set->start_in_background();
                           co_return co_await set->ready();
                         },
                         asio::use_future)
                         .get();
  if (!ready && !stopped_)
    throw DeployError(
        "AlgorithmError: Model container failed to respond to ping. Please ensure /ping endpoint is implemented and "
        "responds with an HTTP 200 status code");
  if (!ready) return;
  // Containers may answer 404 or nothing; the parameters are optional.
  const Answer answer = asio::co_spawn(context, get(instance.set, "/execution-parameters"), asio::use_future).get();
  const Settled settled =
      settle(spec_.asked, answer.status == 200 ? parse_execution_parameters(answer.body) : ExecutionParameters{});
  instance.rules = spec_.rules;
  instance.rules.strategy = settled.strategy;
  instance.rules.max_payload_bytes = payload_bytes(settled.max_payload_mb);
  instance.max_concurrent = settled.max_concurrent;
  // Opened after the start, so that a job whose container does not start has no empty data-log stream.
  instance.data_log.emplace(endpoints_.deps().logs.writer(kLogGroup, instance.stream + "/data-log"));
  log(instance, nullptr,
      "MaxConcurrentTransforms=" + std::to_string(settled.max_concurrent) + ", MaxPayloadInMB=" +
          std::to_string(settled.max_payload_mb) + ", BatchStrategy=" + std::string(name_of(settled.strategy)));
}

void TransformRun::log(Instance& instance, const objects::PlannedObject* object, const std::string& text) {
  const EpochMs now = now_ms();
  std::string time = iso8601_ms(now);
  if (time.ends_with('Z')) time.pop_back();
  std::string line = time + ":[sagemaker logs]: ";
  if (object != nullptr) line += object->bucket + "/" + object->key + ": ";
  try {
    instance.data_log->append(now, line + text);
  } catch (const std::exception& e) {
    log::warn("transform job {}: {}", job_, e.what());
  }
}

TransformRun::Fault TransformRun::transform(Instance& instance, const objects::PlannedObject& object) {
  auto open = endpoints_.deps().objects.open(object.bucket, object.key);
  if (!open) {
    log(instance, &object, "ClientError: the object is no longer there");
    return Fault::kClient;
  }
  // The output grows in a file of the store's that has no name yet; commit() makes it an object. Dropping the Upload
  // removes it, so that a fault leaves no partial output.
  objects::Upload upload = endpoints_.deps().objects.begin();
  // The input is read by its descriptor: deleting the object meanwhile does not disturb the job.
  const Fault fault = transform_open(instance, object, upload, "/proc/self/fd/" + std::to_string(open->fd.get()));
  if (fault == Fault::kNone && !stopped_) store(object, std::move(upload));
  return fault;
}

TransformRun::Fault TransformRun::transform_open(Instance& instance, const objects::PlannedObject& object,
                                                 objects::Upload& upload, const std::string& path) {
  // A sliding window of max_concurrent requests. Answers are taken oldest first, whatever order they arrive in: the
  // output has the records' order, and at most max_concurrent payloads and answers are in memory.
  std::deque<Sent>& window = instance.window;
  Fault fault = Fault::kNone;
  try {
    PayloadReader reader(spec_.gzip ? open_gzip(path) : open_plain(path), instance.rules);
    for (bool more = true; fault == Fault::kNone && !stopped_;) {
      while (more && window.size() < static_cast<std::size_t>(instance.max_concurrent)) {
        std::optional<Payload> payload = reader.next();
        more = payload.has_value();
        if (!more) break;
        std::string body = std::move(payload->body);
        // In the window before it is sent: a request that began must not be lost to a failed allocation.
        Sent& sent = window.emplace_back();
        sent.payload = std::move(*payload);
        sent.answer =
            asio::co_spawn(endpoints_.loop().context(), invoke(instance.set, std::move(body)), asio::use_future);
      }
      if (window.empty()) break;
      Sent oldest = std::move(window.front());
      window.pop_front();
      fault = accept(instance, object, oldest.payload, oldest.answer.get(), upload);
    }
  } catch (const DeployError&) {
    throw;
  } catch (const Error& e) {
    log(instance, &object, std::string("ClientError: ") + e.what());
    fault = Fault::kClient;
  }
  // After a stop they end at once.
  wait_for_all(instance);
  return fault;
}

TransformRun::Fault TransformRun::accept(Instance& instance, const objects::PlannedObject& object,
                                         const Payload& payload, Answer answer, objects::Upload& upload) {
  const std::string where = payload.records == 1 ? "record " + std::to_string(payload.first_record)
                                                 : "records " + std::to_string(payload.first_record) + " to " +
                                                       std::to_string(payload.first_record + payload.records - 1);
  // Before anything is logged: errors of a request that the stop itself cut off would only mislead.
  if (stopped_) return Fault::kAlgorithm;
  if (answer.status == 0) {
    log(instance, &object, "Unable to get response from algorithm (" + where + "): " + summary(answer.body));
    return Fault::kAlgorithm;
  }
  if (answer.status < 200 || answer.status > 299) {
    // 4xx is the data's fault, everything else the model's; the FailureReason that AWS shows differs accordingly.
    const bool client = answer.status >= 400 && answer.status < 500;
    log(instance, &object,
        client ? "ClientError: " + std::to_string(answer.status)
               : "Bad HTTP status received from algorithm: " + std::to_string(answer.status));
    log(instance, &object, "Message: " + where + ": " + summary(answer.body));
    return client ? Fault::kClient : Fault::kAlgorithm;
  }
  const std::string text = assembled(instance.rules, payload, std::move(answer.body));
  // A full disk is no fault of this object's records: it fails the instance, not just the object.
  try {
    upload.write(text);
  } catch (const std::exception& e) {
    throw DeployError("InternalServerError: the output for " + object.bucket + "/" + object.key +
                      " could not be stored: " + e.what());
  }
  return Fault::kNone;
}

void TransformRun::store(const objects::PlannedObject& object, objects::Upload upload) {
  const auto target = objects::parse_s3_uri(output_uri(spec_.output_path, object.relative));
  objects::PutOptions options;
  if (spec_.accept) options.content_type = *spec_.accept;
  // One transaction: the object is there whole or not at all.
  try {
    if (!target) throw Error(Kind::kInvalid, "the key of the output is too long");
    const objects::ObjectInfo info = upload.commit(target->bucket, target->key, options);
    // written_ is shared by the instances' threads.
    const std::lock_guard lock(mutex_);
    written_.push_back(info);
  } catch (const std::exception& e) {
    throw DeployError("InternalServerError: the output for " + object.bucket + "/" + object.key +
                      " could not be stored: " + e.what());
  }
}

// By ETag: an object that somebody has put under the same key since is not removed.
void TransformRun::remove_outputs() {
  const std::lock_guard lock(mutex_);
  for (const objects::ObjectInfo& object : written_) {
    try {
      endpoints_.deps().objects.remove(object.bucket, object.key, object.etag);
    } catch (const std::exception& e) {
      log::warn("transform job {}: {}", job_, e.what());
    }
  }
}

asio::awaitable<TransformRun::Answer> TransformRun::get(std::shared_ptr<ReplicaSet> set, std::string target) {
  http::ClientRequest request;
  request.target = std::move(target);
  co_return co_await send(set, request, kParametersLimit);
}

// On the loop. Repeats on a missing answer or 5xx, with pauses of 200, 400, 800 ms: InvocationsMaxRetries.
asio::awaitable<TransformRun::Answer> TransformRun::invoke(std::shared_ptr<ReplicaSet> set, std::string body) {
  http::ClientRequest request;
  request.method = "POST";
  request.target = "/invocations";
  if (spec_.content_type) request.headers.add("Content-Type", *spec_.content_type);
  if (spec_.accept) request.headers.add("Accept", *spec_.accept);
  request.body = std::move(body);
  Answer answer;
  asio::steady_timer pause(endpoints_.loop().context());
  for (int attempt = 0; attempt <= spec_.max_retries && !stopped_; ++attempt) {
    if (attempt > 0) {
      pause.expires_after(kFirstRetryPause * (1 << attempt));
      co_await pause.async_wait(asio::use_awaitable);
    }
    answer = co_await send(set, request, spec_.timeout);
    if (answer.status != 0 && answer.status < 500) break;  // 4xx will not heal
    if (set->backends()->closed()) break;                  // nor does an instance that has been given up
  }
  co_return answer;
}

asio::awaitable<TransformRun::Answer> TransformRun::send(std::shared_ptr<ReplicaSet> set,
                                                         const http::ClientRequest& request,
                                                         std::chrono::milliseconds timeout) {
  if (!set->backends()->enter()) co_return Answer{0, "the model is being stopped"};
  // Declared after enter() succeeded: Visit leaves what enter() counted.
  Visit visit(set->backends());
  asio::steady_timer pause(endpoints_.loop().context());
  const auto limit = std::chrono::steady_clock::now() + kNoReplicaLimit;
  std::shared_ptr<Backend> replica;
  // A process that died is being started again (Replica::live): waiting is better than failing the object.
  while (!(replica = visit.next_replica())) {
    if (stopped_ || std::chrono::steady_clock::now() > limit) co_return Answer{0, "no process of the model is ready"};
    pause.expires_after(5ms);
    co_await pause.async_wait(asio::use_awaitable);
  }
  try {
    const std::shared_ptr<http::Client> client = replica->client();
    if (!client) co_return Answer{0, "no process of the model is ready"};
    http::ClientResponse response = co_await client->send(request, timeout);
    // Bounded, since the program is foreign and the answer is held in memory.
    std::string body = co_await http::read_body(*response.body, kMaxAnswerBytes);
    co_return Answer{response.status, std::move(body)};
  } catch (const std::exception& e) {
    co_return Answer{0, e.what()};
  }
}

}  // namespace clary::serving
