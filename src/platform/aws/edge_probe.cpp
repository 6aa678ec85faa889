// SPDX-License-Identifier: Apache-2.0
// A server with the real edge and services that only echo: the tests of tests/integration/test_edge.py drive it with
// real clients. usage: edge_probe FOLDER [--dev]; prints one JSON line (port, ca, access key), serves until standard
// input ends.
#include <unistd.h>

#include <iostream>
#include <thread>

#include "base/hash.h"
#include "platform/aws/edge.h"
#include "platform/aws/proxy.h"

namespace clary::aws {
namespace {

using http::Request;
using http::Response;

/// Answers with what it received: method, target, headers, size and SHA-256 of the body.
Response echo(const Request& request, const std::string& body, const Caller& caller) {
  Json seen = {{"method", request.method}, {"target", request.target},
               {"size", body.size()},      {"sha256", to_hex(sha256(body))},
               {"region", caller.region},  {"access_key", caller.access_key},
               {"host", caller.host},      {"tls", caller.tls}};
  for (const auto [name, value] : request.headers) seen["headers"][std::string(name)] = value;
  const bool s3 = !request.path().starts_with("/endpoints/") || request.method != "POST";
  Response response = http::text_response(200, s3 ? std::string() : dump_json(seen), "application/json");
  response.headers.add("x-echo", to_base64(dump_json(seen)));
  return response;
}

Json sagemaker_echo(const Json& input, const Caller& caller) {
  return {{"TrainingJobArn", arn(caller, "sagemaker", "training-job/" + input.value("TrainingJobName", ""))}};
}

int serve(const std::filesystem::path& folder, bool dev) {
  Credentials credentials = Credentials::open(folder / "credentials");
  const auto authority = open_authority(folder / "ca");
  http::asio::thread_pool workers(4);
  EdgeOptions options;
  options.dev = dev;
  Edge edge(credentials, options, workers);
  edge.set_s3([](Request& request, const Caller& caller) -> http::asio::awaitable<Response> {
    const std::string body = co_await http::read_body(request.body, 1ULL << 30);
    co_return echo(request, body, caller);
  });
  edge.set_runtime(
      [](const Request& request, std::string body, const Caller& caller) -> http::asio::awaitable<Response> {
        co_return echo(request, body, caller);
      });
  edge.add(JsonService{
      "SageMaker",
      "sagemaker",
      {{"CreateTrainingJob", sagemaker_echo},
       {"CreateModel",
        [](const Json&, const Caller&) {
          return Json{{"ModelArn", "arn:x"}};
        }},
       {"DeleteModel", [](const Json&, const Caller&) { return Json(); }},
       {"DescribeModel", [](const Json&, const Caller&) -> Json { throw std::runtime_error("secret detail"); }},
       {"DescribeEndpoint", [](const Json& in, const Caller&) -> Json {
          throw ServiceError(Code::kValidationException,
                             "Could not find endpoint \"" + in.at("EndpointName").get<std::string>() + "\".");
        }}}});
  edge.add(JsonService{"GraniteServiceVersion20100801",
                       "cloudwatch",
                       {{"GetMetricStatistics",
                         [](const Json& in, const Caller&) {
                           return Json{{"Label", in.at("MetricName")},
                                       {"Datapoints",
                                        {{{"Timestamp", in.at("StartTime")}, {"Average", 1.5}, {"Unit", "None"}}}}};
                         }},
                        {"PutMetricData", [](const Json&, const Caller&) { return Json(); }}},
                       true});
  edge.add(QueryService{"sts",
                        "https://sts.amazonaws.com/doc/2011-06-15/",
                        "2011-06-15",
                        {{"GetCallerIdentity", [](const Form&, const Caller& c) {
                            return "<Arn>arn:aws:sts::" + c.account +
                                   ":assumed-role/R/S</Arn><UserId>A:S</UserId><Account>" + c.account + "</Account>";
                          }}}});
  http::ServerOptions server_options;
  server_options.io_threads = 2;
  server_options.workers = &workers;
  server_options.tunnel = aws_tunnel(authority);
  server_options.head_timeout = std::chrono::seconds(1);
  http::Server server(server_options, edge.handler());
  server.listen_tcp("127.0.0.1", 0);
  const AccessKey key = credentials.first();
  std::cout << dump_json({{"port", server.port()},
                          {"ca", authority->certificate_file().string()},
                          {"access_key", key.id},
                          {"secret", key.secret}})
            << std::endl;
  std::thread watch([&] {
    char byte;
    while (::read(STDIN_FILENO, &byte, 1) > 0) {
    }
    server.stop();
  });
  server.run();
  watch.join();
  return 0;
}

}  // namespace
}  // namespace clary::aws

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  return clary::aws::serve(argv[1], argc > 2 && std::string_view(argv[2]) == "--dev");
}
