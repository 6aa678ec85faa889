// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/routes.h"

#include <algorithm>
#include <random>
#include <set>

#include "platform/services/s3/test_service.h"

namespace clary::s3 {
namespace {

/// A request that meets exactly the row's requirements.
struct Sample {
  explicit Sample(const Route& route) : body("") {
    http::Headers headers;
    if (!route.header.empty()) headers.set(route.header, "x");
    const std::string path = route.shape == Shape::kService ? "/" : route.shape == Shape::kBucket ? "/b" : "/b/k";
    const std::string target = path + (route.query.empty() ? "" : "?" + std::string(route.query));
    request.emplace(http::Request{std::string(route.method), target, headers, body, false, {}, ""});
  }
  http::TextBody body;
  std::optional<http::Request> request;
};

TEST(Routes, EveryRowIsReachedByItsOwnRequest) {
  const aws::Caller caller{};
  for (const Route& route : routes()) {
    Sample sample(route);
    const S3Request in = parse_request(*sample.request, caller, {});
    EXPECT_EQ(find_route(in).name, route.name);
    EXPECT_NE(route.blocking == nullptr, route.streaming == nullptr) << route.name;
  }
}

TEST(Routes, NamesAndRequirementsAreUnique) {
  std::set<std::string_view> names;
  std::set<std::string> requirements;
  for (const Route& route : routes()) {
    EXPECT_TRUE(names.insert(route.name).second) << route.name;
    EXPECT_TRUE(requirements
                    .insert(std::string(route.method) + std::to_string(static_cast<int>(route.shape)) + "?" +
                            std::string(route.query) + "#" + std::string(route.header))
                    .second)
        << route.name;
  }
}

TEST(Routes, ParametersThatAreNoSubResourceDoNotMatter) {
  const aws::Caller caller{};
  http::TextBody body("");
  http::Request request{"GET", "/b/k?versionId=null&X-Amz-Date=1&x-id=GetObject", {}, body, false, {}, ""};
  EXPECT_EQ(find_route(parse_request(request, caller, {})).name, "GetObject");
  request.target = "/b?list-type=1";
  EXPECT_EQ(find_route(parse_request(request, caller, {})).name, "ListObjects");
}

class RoutesService : public S3ServiceTest {};

TEST_F(RoutesService, KnownButMissingOperationsSaySoByName) {
  for (const Route& route : routes()) {
    if (route.blocking != not_implemented_operation) continue;
    const std::string path = route.shape == Shape::kBucket ? "/bucket" : "/bucket/k";
    const Answer answer =
        send(std::string(route.method), path + (route.query.empty() ? "" : "?" + std::string(route.query)));
    EXPECT_EQ(answer.code, "NotImplemented") << route.name;
    EXPECT_NE(answer.body.find(route.name), std::string::npos) << answer.body;
  }
}

TEST_F(RoutesService, MethodsNobodyKnowsAreNotAllowed) {
  EXPECT_EQ(send("PATCH", "/bucket/k").code, "MethodNotAllowed");
  EXPECT_EQ(send("DELETE", "/").code, "MethodNotAllowed");
}

}  // namespace
}  // namespace clary::s3
