// SPDX-License-Identifier: Apache-2.0
// The hosting operations and InvokeEndpoint over real serving processes (a small Python program in the sandbox),
// without the edge: what the control plane says, what an invocation gets, what happens when processes die.
#include "platform/services/sagemaker/hosting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <csignal>
#include <future>
#include <thread>

#include "formats/archive.h"
#include "platform/catalog/instance_types.h"
#include "platform/objects/test_store.h"
#include "platform/services/runtime/runtime_handler.h"
#include "platform/serving/transform_jobs.h"
#include "support/paths.h"

namespace clary::runtime {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::StartsWith;
namespace asio = http::asio;

const aws::Caller kCaller{"key", "123456789012", "us-west-2", "request", "localhost", false};

struct Answer {
  int status = 0;
  std::string body, variant, error;
};

class HostingTest : public objects::ObjectStoreTest {
 protected:
  void SetUp() override {
    if (!sandbox::sandbox_available()) GTEST_SKIP() << "no user namespaces here";
    const std::filesystem::path program = tests::source_folder() / "tests/programs/echo_server.py";
    catalog.add_user_image("echo", {"/usr/bin/python3", program.string()}, {program});
    put_model("m1.tar.gz", "one");
    put_model("m2.tar.gz", "two");
    start_server();
  }
  void TearDown() override { stop_server(); }

  void start_server() {
    endpoints = std::make_unique<serving::Endpoints>(
        serving::ServingDeps{*database_, *store_, logs, metrics, catalog, folder_.path(), false,
                             tests::build_folder() / "libexec/clary/port_relay"});
    transforms = std::make_unique<serving::TransformJobs>(*endpoints);
    hosting = std::make_unique<sagemaker::HostingDeps>(*endpoints, *transforms);
    operations = sagemaker::hosting_operations(*hosting);
    endpoints->recover();
    transforms->recover();
  }
  void stop_server() {
    if (transforms) transforms->stop();
    if (endpoints) endpoints->stop();
    hosting.reset();
    transforms.reset();
    endpoints.reset();
  }

  void put_model(const std::string& key, const std::string& version) {
    const TemporaryFolder model;
    write_file_atomically(model.path() / "version", version);
    const TemporaryFolder out;
    formats::pack_tar_gz(model.path(), out.path() / "model.tar.gz");
    store_->put_file("bucket", key, out.path() / "model.tar.gz");
  }

  Json call(const std::string& operation, const Json& input) { return operations.at(operation)(input, kCaller); }
  std::string error_of(const std::string& operation, const Json& input) {
    try {
      call(operation, input);
    } catch (const aws::ServiceError& e) {
      return std::string(aws::row(e.code()).name) + ": " + e.what();
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
  void create_model(const std::string& name, const std::string& key, Json environment = Json::object()) {
    call("CreateModel", {{"ModelName", name},
                         {"PrimaryContainer",
                          {{"Image", "echo:latest"},
                           {"ModelDataUrl", "s3://bucket/" + key},
                           {"Environment", std::move(environment)}}}});
  }
  void create_config(const std::string& name, const std::string& model, int instances = 1,
                     const std::string& type = "ml.m4.xlarge") {
    call("CreateEndpointConfig", {{"EndpointConfigName", name},
                                  {"ProductionVariants", Json::array({{{"VariantName", "A"},
                                                                       {"ModelName", model},
                                                                       {"InstanceType", type},
                                                                       {"InitialInstanceCount", instances}}})}});
  }
  Json wait_endpoint(const std::string& name, std::chrono::seconds limit = 20s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    for (;;) {
      Json answer = call("DescribeEndpoint", {{"EndpointName", name}});
      const std::string status = answer["EndpointStatus"];
      if ((status != "Creating" && status != "Updating") || std::chrono::steady_clock::now() > end) return answer;
      std::this_thread::sleep_for(5ms);
    }
  }
  void deploy(int instances = 1) {
    create_model("m", "m1.tar.gz");
    create_config("c", "m", instances);
    call("CreateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "c"}});
    ASSERT_EQ(wait_endpoint("e")["EndpointStatus"], "InService");
  }

  asio::awaitable<Answer> invoke_async(std::string body, http::Headers headers) {
    http::TextBody none("");
    http::Request request{"POST", "/endpoints/" + target + "/invocations", std::move(headers), none, false, "", "test"};
    Answer answer;
    try {
      http::Response response = co_await handler(request, std::move(body), kCaller);
      answer.status = response.status;
      answer.variant = response.headers.value_or("x-Amzn-Invoked-Production-Variant", "");
      if (auto* text = std::get_if<std::string>(&response.body))
        answer.body = *text;
      else
        answer.body = co_await http::read_body(*std::get<std::unique_ptr<http::BodySource>>(response.body), 1 << 28);
    } catch (const aws::ServiceError& e) {
      answer.status = aws::row(e.code()).status;
      answer.error = e.what();
    }
    co_return answer;
  }
  Answer invoke(std::string body, http::Headers headers = {}) {
    handler = runtime_handler(*endpoints);
    asio::io_context context;
    auto answer = asio::co_spawn(context, invoke_async(std::move(body), std::move(headers)), asio::use_future);
    context.run();
    return answer.get();
  }

  std::string transform(const Json& more, const std::string& input, Json* description = nullptr) {
    store_->put_text("bucket", "in/x.csv", input);
    Json request{{"TransformJobName", "t"},
                 {"ModelName", "m"},
                 {"TransformInput",
                  {{"DataSource", {{"S3DataSource", {{"S3DataType", "S3Prefix"}, {"S3Uri", "s3://bucket/in"}}}}},
                   {"ContentType", "text/csv"},
                   {"SplitType", "Line"}}},
                 {"TransformOutput", {{"S3OutputPath", "s3://bucket/out"}}},
                 {"TransformResources", {{"InstanceType", "ml.m4.xlarge"}, {"InstanceCount", 1}}}};
    request.merge_patch(more);
    call("CreateTransformJob", request);
    const auto end = std::chrono::steady_clock::now() + 20s;
    Json answer;
    do {
      std::this_thread::sleep_for(5ms);
      answer = call("DescribeTransformJob", {{"TransformJobName", "t"}});
    } while ((answer["TransformJobStatus"] == "InProgress" || answer["TransformJobStatus"] == "Stopping") &&
             std::chrono::steady_clock::now() < end);
    if (description != nullptr) *description = answer;
    return answer["TransformJobStatus"];
  }
  std::string data_log() {
    std::string text;
    for (const auto& stream : logs.streams("/aws/sagemaker/TransformJobs", "t/"))
      if (stream.name.ends_with("/data-log"))
        for (const auto& event : logs.read("/aws/sagemaker/TransformJobs", stream.name, {}).events)
          text += event.message + "\n";
    return text;
  }

  telemetry::LogStore logs{folder_.path() / "logs"};
  metric_store::MetricStore metrics{*database_, folder_.path() / "metrics"};
  catalog::AlgorithmCatalog catalog;
  std::unique_ptr<serving::Endpoints> endpoints;
  std::unique_ptr<serving::TransformJobs> transforms;
  std::unique_ptr<sagemaker::HostingDeps> hosting;
  sagemaker::Operations operations;
  aws::WholeBodyHandler handler;
  std::string target = "e";  // the endpoint that invoke() asks
};

/// The endpoint's folder is <data>/endpoints/<name>/<generation>/<variant>/model.
TEST_F(HostingTest, KeysOfAModelPrefixStayInItsFolder) {
  put_model("prefix/good", "1");
  put_model("prefix/../../../../../escaped", "1");
  call("CreateModel",
       {{"ModelName", "m"},
        {"PrimaryContainer",
         {{"Image", "echo:latest"},
          {"ModelDataSource",
           {{"S3DataSource",
             {{"S3Uri", "s3://bucket/prefix/"}, {"S3DataType", "S3Prefix"}, {"CompressionType", "None"}}}}}}}});
  create_config("c", "m");
  call("CreateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "c"}});
  const Json endpoint = wait_endpoint("e");
  EXPECT_EQ(endpoint["EndpointStatus"], "Failed");
  EXPECT_THAT(endpoint.value("FailureReason", ""),
              testing::HasSubstr("\"../../../../../escaped\" cannot be a file name"));
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path()))
    EXPECT_NE(entry.path().filename(), "escaped");
}

TEST_F(HostingTest, MessagesAreTheServices) {
  create_model("M", "m1.tar.gz");
  create_config("c", "M");
  EXPECT_EQ(error_of("CreateModel", {{"ModelName", "m"}, {"PrimaryContainer", {{"Image", "echo"}}}}),
            "ValidationException: Cannot create already existing model "
            "\"arn:aws:sagemaker:us-west-2:123456789012:model/m\".");
  EXPECT_EQ(error_of("DescribeModel", {{"ModelName", "nO"}}),
            "ValidationException: Could not find model \"arn:aws:sagemaker:us-west-2:123456789012:model/no\".");
  EXPECT_EQ(error_of("CreateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "none"}}),
            "ValidationException: Could not find endpoint configuration "
            "\"arn:aws:sagemaker:us-west-2:123456789012:endpoint-config/none\".");
  EXPECT_THAT(error_of("DeleteEndpoint", {{"EndpointName", "e"}}), HasSubstr("Could not find endpoint \""));
  EXPECT_THAT(error_of("CreateModel", {{"ModelName", "x"},
                                       {"PrimaryContainer", {{"Image", "echo"}, {"ModelDataUrl", "s3://bucket/no"}}}}),
              HasSubstr("Could not access model data at s3://bucket/no."));
  EXPECT_EQ(error_of("DescribeTransformJob", {{"TransformJobName", "t"}}),
            "ValidationException: Could not find requested job with name: t");
  EXPECT_EQ(error_of("StopTransformJob", {{"TransformJobName", "t"}}),
            "ValidationException: Could not find job to update with name: t");
  const Json model = call("DescribeModel", {{"ModelName", "M"}});
  EXPECT_EQ(model["PrimaryContainer"]["Mode"], "SingleModel");
  EXPECT_EQ(model["EnableNetworkIsolation"], false);
  EXPECT_EQ(
      call("DescribeEndpointConfig", {{"EndpointConfigName", "c"}})["ProductionVariants"][0]["InitialVariantWeight"],
      1.0);
  EXPECT_EQ(call("DeleteModel", {{"ModelName", "M"}}), nullptr);
}

/// Sum of the endpoint's Invocations that CloudWatch has.
double counted(metric_store::MetricStore& metrics) {
  constexpr EpochMs kDay = 86'400'000;
  double sum = 0;
  for (const auto& [begin, statistics] :
       metrics.periods({{"AWS/SageMaker", {{"EndpointName", "e"}, {"VariantName", "A"}}}, "Invocations"},
                       now_ms() - kDay, now_ms() + kDay, 60))
    sum += statistics.sum;
  return sum;
}

/// Counters go to CloudWatch once a minute; those of a fleet that ends before went nowhere.
TEST_F(HostingTest, InvocationsOfAFleetThatEndsAreCounted) {
  deploy();
  for (int i = 0; i < 3; ++i) invoke("x");
  create_model("m2", "m2.tar.gz");
  create_config("c2", "m2");
  call("UpdateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "c2"}});
  wait_endpoint("e");
  for (int i = 0; i < 4; ++i) invoke("x");
  call("DeleteEndpoint", {{"EndpointName", "e"}});
  for (int i = 0; i < 1000 && error_of("DescribeEndpoint", {{"EndpointName", "e"}}) == "no error"; ++i)
    std::this_thread::sleep_for(5ms);
  EXPECT_EQ(counted(metrics), 7);
}

TEST_F(HostingTest, InvocationsBeforeTheServerStopsAreCounted) {
  deploy();
  for (int i = 0; i < 2; ++i) invoke("x");
  stop_server();
  EXPECT_EQ(counted(metrics), 2);
}

TEST_F(HostingTest, DeploysInvokesAndDeletes) {
  create_model("m", "m1.tar.gz", {{"GREETING", "hi"}});
  create_config("c", "m");
  call("CreateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "c"}});
  EXPECT_FALSE(call("DescribeEndpoint", {{"EndpointName", "e"}}).contains("ProductionVariants"));
  EXPECT_THAT(error_of("DeleteEndpoint", {{"EndpointName", "e"}}), HasSubstr("Cannot update in-progress endpoint"));
  const Json endpoint = wait_endpoint("e");
  ASSERT_EQ(endpoint["EndpointStatus"], "InService") << endpoint;
  EXPECT_EQ(endpoint["ProductionVariants"][0]["CurrentInstanceCount"], 1);

  const Answer echo = invoke("hello", {{"Content-Type", "text/csv"}, {"Accept", "text/x"}, {"User-Agent", "secret"}});
  EXPECT_EQ(echo.body, "HELLO");
  EXPECT_EQ(echo.variant, "A");
  const Json headers = Json::parse(invoke("headers", {{"Content-Type", "text/csv"}, {"Authorization", "secret"}}).body);
  EXPECT_EQ(headers["Content-Type"], "text/csv");
  EXPECT_FALSE(headers.contains("Authorization"));
  EXPECT_EQ(Json::parse(invoke("environment").body)["GREETING"], "hi");
  EXPECT_EQ(invoke("version").body, "one");
  EXPECT_EQ(invoke("big 3000000").body.size(), 3000000U);
  EXPECT_EQ(invoke(std::string(3 << 20, 'a')).body, std::string(3 << 20, 'A'));

  const std::string attributes(1024, 'a');
  EXPECT_EQ(Json::parse(invoke("headers", {{"X-Amzn-SageMaker-Custom-Attributes", attributes}})
                            .body)["X-Amzn-SageMaker-Custom-Attributes"],
            attributes);
  EXPECT_THAT(invoke("x", {{"X-Amzn-SageMaker-Custom-Attributes", attributes + "b"}}).error,
              HasSubstr("Value of 1025 bytes at 'customAttributes' failed to satisfy constraint: Member must have "
                        "length less than or equal to 1024"));
  EXPECT_THAT(invoke("x", {{"X-Amzn-SageMaker-Custom-Attributes", "gr\xC3\xBC\xC3\x9F"}}).error,
              HasSubstr("visible ASCII"));
  EXPECT_THAT(invoke("x", {{"X-Amzn-SageMaker-Inference-Id", std::string(65, 'i')}}).error, HasSubstr("inferenceId"));

  const Answer refused = invoke("status 415 bad type");
  EXPECT_EQ(refused.status, 424);
  EXPECT_THAT(refused.error, StartsWith("Received client error (415) from primary with message \"bad type\". See "));
  EXPECT_THAT(invoke("status 500 oh").error,
              StartsWith("Received server error (500) from primary with message \"oh\"."));
  EXPECT_THAT(invoke("x", {{"X-Amzn-SageMaker-Target-Variant", "B"}}).error, HasSubstr("Variant B"));

  const auto streams = logs.streams("/aws/sagemaker/Endpoints/e", "A/i-0");
  ASSERT_EQ(streams.size(), 1U);
  EXPECT_GT(streams[0].bytes, 0U);
  EXPECT_THAT(endpoints->prometheus(), HasSubstr("clary_endpoint_4xx_errors_total{endpoint=\"e\",variant=\"A\"} 1\n"));

  call("DeleteEndpoint", {{"EndpointName", "e"}});
  for (int i = 0; i < 1000 && error_of("DescribeEndpoint", {{"EndpointName", "e"}}) == "no error"; ++i)
    std::this_thread::sleep_for(5ms);
  EXPECT_THAT(error_of("DescribeEndpoint", {{"EndpointName", "e"}}), HasSubstr("Could not find endpoint"));
  EXPECT_EQ(invoke("x").error, "Endpoint e of account 123456789012 not found.");
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "endpoints/e"));
}

/// Both programs listen on port 8080, each in its own network.
TEST_F(HostingTest, EndpointsCreatedTogetherAnswerWithTheirOwnModels) {
  for (const auto& [name, key] : {std::pair("e", "m1.tar.gz"), std::pair("f", "m2.tar.gz")}) {
    create_model(name, key);
    create_config(name, name);
    call("CreateEndpoint", {{"EndpointName", name}, {"EndpointConfigName", name}});
  }
  for (const auto& [name, version] : {std::pair("e", "one"), std::pair("f", "two")}) {
    EXPECT_EQ(wait_endpoint(name)["EndpointStatus"], "InService") << name;
    target = name;
    EXPECT_EQ(invoke("version").body, version) << name;
    EXPECT_EQ(Json::parse(invoke("environment").body)["SAGEMAKER_BIND_TO_PORT"], "8080");
  }
}

TEST_F(HostingTest, ProgramReachesNothingOfTheMachineAndIsNotReached) {
  call("CreateModel", {{"ModelName", "m"},
                       {"EnableNetworkIsolation", true},
                       {"PrimaryContainer", {{"Image", "echo:latest"}, {"ModelDataUrl", "s3://bucket/m1.tar.gz"}}}});
  EXPECT_EQ(call("DescribeModel", {{"ModelName", "m"}})["EnableNetworkIsolation"], true);
  create_config("c", "m");
  call("CreateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "c"}});
  ASSERT_EQ(wait_endpoint("e")["EndpointStatus"], "InService");
  const UniqueFd server(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(server.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(server.get(), 8), 0);
  ::getsockname(server.get(), reinterpret_cast<sockaddr*>(&address), &size);
  EXPECT_EQ(invoke("connect " + std::to_string(ntohs(address.sin_port))).body, "Connection refused");
  EXPECT_EQ(invoke("connect 8080").body, "Success");  // itself
  const Json network = Json::parse(invoke("network").body);
  EXPECT_NE(network[0], std::filesystem::read_symlink("/proc/self/ns/net").string());
  EXPECT_EQ(network[1], Json::array({"lo"}));
}

TEST_F(HostingTest, ProcessGetsTheMemoryOfItsInstanceType) {
  create_model("m", "m1.tar.gz");
  create_config("c", "m", 1, "ml.t2.medium");
  call("CreateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "c"}});
  ASSERT_EQ(wait_endpoint("e")["EndpointStatus"], "InService");
  const auto machine = catalog::machine_resources();
  EXPECT_EQ(invoke("limit").body, std::to_string(catalog::job_resources("ml.t2.medium", 1, machine).memory_bytes));
}

TEST_F(HostingTest, ProcessThatDiesIsReplacedAndTheRequestBehindItSurvives) {
  deploy(2);
  const Answer crash = invoke("crash");  // kills one, is repeated once, kills the other
  EXPECT_EQ(crash.status, 424);
  EXPECT_EQ(invoke("again").body, "AGAIN");  // waits for a process to come back
  std::atomic<int> wrong = 0;
  std::vector<std::thread> clients;
  for (int c = 0; c < 4; ++c)
    clients.emplace_back([&] {
      asio::io_context context;
      asio::co_spawn(
          context,
          [&]() -> asio::awaitable<void> {
            for (int i = 0; i < 100; ++i)
              if ((co_await invoke_async("abc", {})).body != "ABC") ++wrong;
          },
          asio::detached);
      context.run();
    });
  for (auto& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(HostingTest, RequestThatEndsItsProcessEndsTwoAndNoMore) {
  deploy(2);
  handler = runtime_handler(*endpoints);
  const auto deaths = [&] {
    int count = 0;
    for (const auto& stream : logs.streams("/aws/sagemaker/Endpoints/e", ""))
      for (const auto& event : logs.read("/aws/sagemaker/Endpoints/e", stream.name, {}).events)
        count += event.message.find("ended with exit code 3") != std::string::npos ? 1 : 0;
    return count;
  };
  int expected = 0;
  // Also a body of megabytes goes to a second process (it was given up after the first), and to no third.
  for (const std::string& body : {std::string("crash"), "crash\n" + std::string(3 << 20, 'x')}) {
    asio::io_context context;
    // Both processes get a connection that this event loop keeps: the client repeated a request on a kept connection by
    // itself, so that each of the handler's two attempts ended two processes.
    std::vector<std::future<Answer>> slept;
    for (int i = 0; i < 4; ++i)
      slept.push_back(asio::co_spawn(context, invoke_async("sleep 0.1", {}), asio::use_future));
    context.run();
    for (auto& answer : slept) ASSERT_EQ(answer.get().body, "slept");
    context.restart();
    auto crash = asio::co_spawn(context, invoke_async(body, {}), asio::use_future);
    context.run();
    EXPECT_EQ(crash.get().status, 424);
    expected += 2;
    for (int i = 0; i < 1000 && deaths() < expected; ++i) std::this_thread::sleep_for(5ms);
    EXPECT_EQ(invoke("again").body, "AGAIN");  // a process came back and lived
    EXPECT_EQ(deaths(), expected);
  }
}

TEST_F(HostingTest, UpdateLosesNoRequest) {
  deploy();
  create_model("m2", "m2.tar.gz");
  create_config("c2", "m2");
  handler = runtime_handler(*endpoints);
  std::atomic<bool> done = false;
  std::atomic<int> failures = 0, ones = 0, twos = 0;
  std::thread client([&] {
    asio::io_context context;
    asio::co_spawn(
        context,
        [&]() -> asio::awaitable<void> {
          while (!done) {
            const Answer answer = co_await invoke_async("version", {});
            ++(answer.body == "one" ? ones : answer.body == "two" ? twos : failures);
          }
        },
        asio::detached);
    context.run();
  });
  call("UpdateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "c2"}});
  EXPECT_EQ(call("DescribeEndpoint", {{"EndpointName", "e"}})["EndpointStatus"], "Updating");
  const Json endpoint = wait_endpoint("e");
  EXPECT_EQ(endpoint["EndpointStatus"], "InService");
  EXPECT_EQ(endpoint["EndpointConfigName"], "c2");
  EXPECT_FALSE(endpoint.contains("FailureReason"));
  std::this_thread::sleep_for(100ms);
  done = true;
  client.join();
  EXPECT_EQ(failures, 0);
  EXPECT_GT(ones, 0);
  EXPECT_GT(twos, 0);
}

/// The end of a long drain once removed the folder of the endpoint that had the name by then.
TEST_F(HostingTest, EndpointCreatedAgainKeepsItsModelWhenTheOldOneHasDrained) {
  deploy();
  create_model("m2", "m2.tar.gz");
  create_config("c2", "m2");
  handler = runtime_handler(*endpoints);
  std::jthread slow([&] {
    asio::io_context context;
    auto answer = asio::co_spawn(context, invoke_async("sleep 1.5", {}), asio::use_future);
    context.run();
    EXPECT_EQ(answer.get().body, "slept");
  });
  std::this_thread::sleep_for(200ms);  // it is inside
  call("UpdateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "c2"}});
  ASSERT_EQ(wait_endpoint("e")["EndpointStatus"], "InService");
  call("DeleteEndpoint", {{"EndpointName", "e"}});
  for (int i = 0; i < 2000 && error_of("DescribeEndpoint", {{"EndpointName", "e"}}) == "no error"; ++i)
    std::this_thread::sleep_for(5ms);
  call("CreateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "c2"}});
  ASSERT_EQ(wait_endpoint("e")["EndpointStatus"], "InService");
  slow.join();
  std::this_thread::sleep_for(300ms);  // for what follows the drain
  EXPECT_EQ(invoke("version").body, "two");
  invoke("crash");
  EXPECT_EQ(invoke("version").body, "two");
}

TEST_F(HostingTest, RouteMayOutliveTheServer) {
  deploy();
  const auto route = endpoints->route("e");
  ASSERT_TRUE(route);
  stop_server();
  EXPECT_FALSE(route->variants[0].replicas->enter());
}

TEST_F(HostingTest, FailedUpdateKeepsTheOldFleet) {
  deploy();
  create_model("bad", "m1.tar.gz", {{"MODE", "exit"}});
  create_config("c2", "bad");
  call("UpdateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "c2"}});
  const Json endpoint = wait_endpoint("e");
  EXPECT_EQ(endpoint["EndpointStatus"], "InService");
  EXPECT_EQ(endpoint["EndpointConfigName"], "c");
  EXPECT_THAT(endpoint["FailureReason"].get<std::string>(), HasSubstr("did not pass the ping health check"));
  EXPECT_EQ(invoke("still").body, "STILL");
}

/// The row could not be written after the new fleet was published: the folder that it serves from was removed, and the
/// old processes were never stopped.
TEST_F(HostingTest, ARowThatCannotBeWrittenIsWrittenLater) {
  deploy();
  create_model("m2", "m2.tar.gz");
  create_config("c2", "m2");
  const char* const refusing[] = {
      "CREATE TRIGGER refuse BEFORE UPDATE ON resources WHEN new.status = 'InService'"
      " BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"};
  database_->migrate("test_refusing", refusing);
  call("UpdateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "c2"}});
  for (int i = 0; i < 2000 && invoke("version").body != "two"; ++i) std::this_thread::sleep_for(5ms);
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(call("DescribeEndpoint", {{"EndpointName", "e"}})["EndpointStatus"], "Updating");
  const char* const taking[] = {"DROP TRIGGER refuse"};
  database_->migrate("test_taking", taking);
  const Json endpoint = wait_endpoint("e");
  EXPECT_EQ(endpoint["EndpointStatus"], "InService");
  EXPECT_EQ(endpoint["EndpointConfigName"], "c2");
  EXPECT_FALSE(endpoint.contains("FailureReason"));
  invoke("crash");
  EXPECT_EQ(invoke("version").body, "two") << "its model is still on the disk";
  const auto generations = [&] {
    const std::filesystem::directory_iterator entries(folder_.path() / "endpoints/e");
    return std::distance(begin(entries), end(entries));
  };
  for (int i = 0; i < 1000 && generations() != 1; ++i) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(generations(), 1) << "the fleet before is drained, then its folder goes";
}

/// Only launches that got as far as the program were counted: an endpoint whose first launch failed before that, and
/// whose program then ended each time, stayed Creating for ever.
TEST_F(HostingTest, LaunchesThatFailEarlyAreGivenUpToo) {
  std::filesystem::remove_all(endpoints->run_root());
  write_file_atomically(endpoints->run_root(), "no folder");
  create_model("m", "m1.tar.gz");
  create_config("c", "m");
  call("CreateEndpoint", {{"EndpointName", "e"}, {"EndpointConfigName", "c"}});
  const Json endpoint = wait_endpoint("e");
  EXPECT_EQ(endpoint["EndpointStatus"], "Failed");
  EXPECT_THAT(endpoint.value("FailureReason", ""), HasSubstr("Its last line: cannot serve: "));
}

TEST_F(HostingTest, FailuresOfADeploymentHaveTheServicesReasons) {
  store_->put_text("bucket", "text", "this is not an archive");
  create_model("text", "text");
  put_model("gone.tar.gz", "x");
  create_model("gone", "gone.tar.gz");
  store_->remove("bucket", "gone.tar.gz");
  create_model("exits", "m1.tar.gz", {{"MODE", "exit"}});
  const std::pair<const char*, const char*> cases[] = {
      {"text",
       "Failed to extract model data archive for container \"container_1\" from URL \"s3://bucket/text\". Please "
       "ensure that the object located at the URL is a valid tar.gz archive."},
      {"gone",
       "Failed to download model data for container \"container_1\" from URL: \"s3://bucket/gone.tar.gz\". Please "
       "ensure that there is an object located at the URL"},
      {"exits",
       "The primary container for production variant A did not pass the ping health check. Please check CloudWatch "
       "logs for this endpoint. Its last line: no model, no service"},
  };
  for (const auto& [name, reason] : cases) {
    create_config(name, name);
    call("CreateEndpoint", {{"EndpointName", name}, {"EndpointConfigName", name}});
    const Json endpoint = wait_endpoint(name);
    EXPECT_EQ(endpoint["EndpointStatus"], "Failed") << name;
    EXPECT_THAT(endpoint["FailureReason"].get<std::string>(), StartsWith(reason)) << name;
  }
}

TEST_F(HostingTest, WeightsAndCapacitiesChange) {
  deploy();
  const auto change = [&](Json desired) {
    return Json{{"EndpointName", "e"}, {"DesiredWeightsAndCapacities", Json::array({std::move(desired)})}};
  };
  EXPECT_THAT(error_of("UpdateEndpointWeightsAndCapacities", change({{"VariantName", "B"}})),
              HasSubstr("The variant name(s) \"B\" is/are not present within endpoint configuration"));
  call("UpdateEndpointWeightsAndCapacities",
       change({{"VariantName", "A"}, {"DesiredWeight", 0.0}, {"DesiredInstanceCount", 2}}));
  const Json endpoint = wait_endpoint("e");
  EXPECT_EQ(endpoint["ProductionVariants"][0]["CurrentWeight"], 0.0);
  EXPECT_EQ(endpoint["ProductionVariants"][0]["CurrentInstanceCount"], 2);
  EXPECT_THAT(invoke("x").error, HasSubstr("weight 0"));
  EXPECT_EQ(invoke("x", {{"X-Amzn-SageMaker-Target-Variant", "A"}}).body, "X");
}

TEST_F(HostingTest, ComesBackAfterARestartWithoutItsModelInS3) {
  deploy();
  stop_server();
  store_->remove("bucket", "m1.tar.gz");
  start_server();
  EXPECT_EQ(call("DescribeEndpoint", {{"EndpointName", "e"}})["EndpointStatus"], "InService");
  for (int i = 0; i < 400 && !endpoints->route("e"); ++i) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(invoke("back").body, "BACK");
}

TEST_F(HostingTest, TransformWritesOneObjectInOrder) {
  create_model("m", "m1.tar.gz");
  std::string input, expected;
  for (int i = 0; i < 2000; ++i) {
    input += "row " + std::to_string(i) + "\n";
    expected += "ROW " + std::to_string(i) + "\n";
  }
  Json description;
  EXPECT_EQ(transform({{"BatchStrategy", "SingleRecord"},
                       {"MaxConcurrentTransforms", 8},
                       {"MaxPayloadInMB", 1},
                       {"TransformOutput", {{"AssembleWith", "Line"}}}},
                      input, &description),
            "Completed");
  EXPECT_EQ(text_of("out/x.csv.out"), expected);
  EXPECT_EQ(description["TransformInput"]["CompressionType"], "None");
  EXPECT_EQ(description["TransformOutput"]["KmsKeyId"], "");
  EXPECT_TRUE(description.contains("TransformEndTime"));
  EXPECT_THAT(data_log(), HasSubstr("MaxConcurrentTransforms=8, MaxPayloadInMB=1, BatchStrategy=SINGLE_RECORD"));
}

TEST_F(HostingTest, TransformTakesTheContainersParameters) {
  create_model("m", "m1.tar.gz",
               {{"PARAMETERS", R"({"MaxConcurrentTransforms":3,"BatchStrategy":"SINGLE_RECORD","MaxPayloadInMB":2})"}});
  EXPECT_EQ(transform(Json::object(), "a\nb\n"), "Completed");
  EXPECT_EQ(text_of("out/x.csv.out"), "AB");
  EXPECT_THAT(data_log(), HasSubstr("MaxConcurrentTransforms=3, MaxPayloadInMB=2, BatchStrategy=SINGLE_RECORD"));
}

TEST_F(HostingTest, TransformJoinsInputAndAnswer) {
  create_model("m", "m1.tar.gz");
  EXPECT_EQ(transform({{"TransformOutput", {{"AssembleWith", "Line"}, {"Accept", "text/csv"}}},
                       {"DataProcessing", {{"InputFilter", "$[1:]"}, {"JoinSource", "Input"}}}},
                      "7,a,b\n8,c,d\n"),
            "Completed");
  EXPECT_EQ(text_of("out/x.csv.out"), "7,a,b,A,B\n8,c,d,C,D\n");
}

TEST_F(HostingTest, TransformKeepsTheGoodObjectsWhenOneFails) {
  create_model("m", "m1.tar.gz");
  store_->put_text("bucket", "in/good.csv", "fine\n");
  Json description;
  EXPECT_EQ(transform({{"BatchStrategy", "SingleRecord"}}, "ok\nstatus 400 no such thing\n", &description), "Failed");
  EXPECT_EQ(description["FailureReason"], "ClientError: See job logs for more information");
  EXPECT_EQ(text_of("out/good.csv.out"), "FINE");
  EXPECT_EQ(text_of("out/x.csv.out"), "(missing)");
  EXPECT_THAT(data_log(), HasSubstr("bucket/in/x.csv: ClientError: 400\n"));
  EXPECT_THAT(data_log(), HasSubstr("Message: record 2: no such thing"));
}

TEST_F(HostingTest, TransformRetriesAfterACrashAndThenGivesUp) {
  create_model("m", "m1.tar.gz");
  Json description;
  EXPECT_EQ(transform({{"ModelClientConfig", {{"InvocationsMaxRetries", 1}}}}, "crash\n", &description), "Failed");
  EXPECT_EQ(description["FailureReason"], "AlgorithmError: See job logs for more information");
  EXPECT_THAT(data_log(), HasSubstr("Unable to get response from algorithm (record 1)"));
}

/// A row that no run can be made of, as an earlier build may have left it.
TEST_F(HostingTest, TransformThatCannotBeStartedFails) {
  const EpochMs now = now_ms();
  transforms->rows().insert({"t", "arn:t", now, now, "InProgress", {{"Request", {{"TransformJobName", "t"}}}}});
  transforms->start("t");
  std::optional<resources::Resource> row;
  for (int i = 0; i < 1000; ++i) {
    row = transforms->rows().find("t");
    if (row->status != "InProgress") break;
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(row->status, "Failed");
  EXPECT_THAT(row->body.value("FailureReason", ""), StartsWith("InternalServerError: "));
  EXPECT_TRUE(row->body.contains("EndTime"));
}

TEST_F(HostingTest, TransformRefusesWhatBreaksItsRules) {
  create_model("m", "m1.tar.gz");
  const auto error = [&](const Json& more) {
    try {
      transform(more, "a\n");
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(error({{"ModelName", "none"}}),
            "Could not find model \"arn:aws:sagemaker:us-west-2:123456789012:model/none\".");
  EXPECT_THAT(error({{"MaxConcurrentTransforms", 50}, {"MaxPayloadInMB", 6}}), HasSubstr("exceeds 100 MB"));
  EXPECT_THAT(error({{"DataProcessing", {{"JoinSource", "Input"}}}}), HasSubstr("equal ContentType and Accept"));
  EXPECT_EQ(error(Json::object()), "no error");
  EXPECT_THAT(error(Json::object()), StartsWith("Transform job names must be unique within an AWS account and region"));
}

TEST_F(HostingTest, StoppedTransformLeavesNoOutput) {
  create_model("m", "m1.tar.gz");
  std::string input;
  for (int i = 0; i < 200; ++i) input += "sleep 0.05\n";
  std::thread stopper([&] {
    while (error_of("StopTransformJob", {{"TransformJobName", "t"}}) != "no error") std::this_thread::sleep_for(20ms);
  });
  EXPECT_EQ(transform({{"BatchStrategy", "SingleRecord"}}, input), "Stopped");
  stopper.join();
  EXPECT_EQ(text_of("out/x.csv.out"), "(missing)");
  EXPECT_THAT(error_of("StopTransformJob", {{"TransformJobName", "t"}}), HasSubstr("is in status Stopped."));
}

/// An output that could not be stored once left requests in the air that referred to the run, which was gone.
TEST_F(HostingTest, TransformWhoseOutputCannotBeStoredEndsItsRequests) {
  create_model("m", "m1.tar.gz");
  // Files of this process end at 32 MiB from now on, as on a full disk.
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit whole{};
  ::getrlimit(RLIMIT_FSIZE, &whole);
  const rlimit small{32 << 20, whole.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  Json description;
  EXPECT_EQ(transform({{"BatchStrategy", "SingleRecord"}, {"MaxConcurrentTransforms", 4}, {"MaxPayloadInMB", 1}},
                      "big 40000000\nsleep 30\nsleep 30\nsleep 30\n", &description),
            "Failed");
  ::setrlimit(RLIMIT_FSIZE, &whole);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_THAT(description.value("FailureReason", ""), HasSubstr("could not be stored"));
  EXPECT_EQ(text_of("out/x.csv.out"), "(missing)");
}

/// The stop of the server came between StopTransformJob and the end of the run: the outputs stayed.
TEST_F(HostingTest, TransformThatItsUserStoppedLeavesNoOutputWhenTheServerStopsToo) {
  create_model("m", "m1.tar.gz");
  store_->put_text("bucket", "in/a.csv", "fast\n");
  std::thread stopper([&] {
    for (int i = 0; i < 2000 && text_of("out/a.csv.out") != "FAST"; ++i) std::this_thread::sleep_for(5ms);
    call("StopTransformJob", {{"TransformJobName", "t"}});
    transforms->stop();
  });
  EXPECT_EQ(transform({{"BatchStrategy", "SingleRecord"}}, "sleep 30\n"), "Stopped");
  stopper.join();
  EXPECT_EQ(text_of("out/a.csv.out"), "(missing)");
}

TEST_F(HostingTest, InterruptedTransformRunsAgain) {
  create_model("m", "m1.tar.gz");
  std::string input;
  for (int i = 0; i < 40; ++i) input += "sleep 0.03\n";
  std::thread restarter([&] {
    while (error_of("DescribeTransformJob", {{"TransformJobName", "t"}}) != "no error")
      std::this_thread::sleep_for(5ms);
  });
  store_->put_text("bucket", "in/x.csv", input);
  call("CreateTransformJob",
       {{"TransformJobName", "t"},
        {"ModelName", "m"},
        {"BatchStrategy", "SingleRecord"},
        {"TransformInput",
         {{"DataSource", {{"S3DataSource", {{"S3DataType", "S3Prefix"}, {"S3Uri", "s3://bucket/in"}}}}},
          {"SplitType", "Line"}}},
        {"TransformOutput", {{"S3OutputPath", "s3://bucket/out"}}},
        {"TransformResources", {{"InstanceType", "ml.m4.xlarge"}, {"InstanceCount", 1}}}});
  restarter.join();
  std::this_thread::sleep_for(400ms);
  stop_server();
  start_server();
  Json answer;
  for (int i = 0; i < 4000; ++i) {
    answer = call("DescribeTransformJob", {{"TransformJobName", "t"}});
    if (answer["TransformJobStatus"] != "InProgress") break;
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(answer["TransformJobStatus"], "Completed");
  EXPECT_EQ(text_of("out/x.csv.out").size(), 40 * std::string("slept").size());
}

}  // namespace
}  // namespace clary::runtime
