// SPDX-License-Identifier: Apache-2.0
// The edge's tables: every dispatch rule, every error row, the service model, and the small parsers around them.
#include "platform/aws/edge.h"

#include <gtest/gtest.h>

#include <set>

#include "base/files.h"
#include "platform/aws/dispatch.h"
#include "platform/aws/error_encoding.h"
#include "platform/aws/patterns.h"
#include "platform/aws/proxy.h"
#include "platform/aws/service_model.h"
#include "platform/aws/xml.h"

namespace clary::aws {
namespace {

std::string text_of(const http::Response& r) { return std::get<std::string>(r.body); }

TEST(ErrorTable, EveryRowIsWrittenInAllFourForms) {
  for (const CodeRow& r : kCodes) {
    for (const Wire wire : {Wire::kS3, Wire::kJson, Wire::kRestJson, Wire::kQuery}) {
      const http::Response response =
          encode_error(r.code, std::string(r.text) + " <&>", {{"Key", "k&"}}, {wire, "id-1", "/p", "x", "1.1"});
      EXPECT_EQ(response.status, r.status) << r.name;
      EXPECT_EQ(response.headers.get(request_id_header(wire)), "id-1") << r.name;
      if (r.status == 304) continue;
      const std::string body = text_of(response);
      EXPECT_NE(wire == Wire::kRestJson ? std::string(response.headers.value_or("x-amzn-ErrorType", "")).find(r.name)
                                        : body.find(r.name),
                std::string::npos)
          << r.name << body;
      if (wire == Wire::kS3 || wire == Wire::kQuery) {
        EXPECT_NE(body.find("&lt;&amp;&gt;"), std::string::npos) << body;
        EXPECT_NE(body.find("<RequestId>id-1</RequestId>"), std::string::npos);
      } else {
        EXPECT_EQ(parse_json(body).at("message"), std::string(r.text) + " <&>");
      }
    }
  }
}

TEST(ErrorTable, PlainErrorsGetACodeAndInternalTextsStayInside) {
  const ErrorContext context{Wire::kJson, "id", "/", "", "1.1"};
  EXPECT_EQ(parse_json(text_of(encode_exception(Error(Kind::kInvalid, "x: 1 exceeds 0"), context))).at("message"),
            "x: 1 exceeds 0");
  for (const auto* kind : {"internal", "std"}) {
    const http::Response r = kind == std::string("std") ? encode_exception(std::runtime_error("secret"), context)
                                                        : encode_exception(Error(Kind::kInternal, "secret"), context);
    EXPECT_EQ(r.status, 500);
    EXPECT_EQ(text_of(r).find("secret"), std::string::npos);
  }
  // A missing file, a full disk: their texts name the server's files.
  for (const Kind kind : {Kind::kNotFound, Kind::kLimit})
    for (const Wire wire : {Wire::kJson, Wire::kS3}) {
      const http::Response r =
          encode_exception(SystemError(kind, "/secret: No such file"), {wire, "id", "/", "", "1.1"});
      EXPECT_EQ(text_of(r).find("secret"), std::string::npos) << text_of(r);
    }
  const http::Response shown =
      encode_error(Code::kNotModified, "", {{"header:ETag", "\"e\""}}, {Wire::kS3, "i", "/", "", ""});
  EXPECT_EQ(shown.headers.get("ETag"), "\"e\"");
  EXPECT_EQ(text_of(shown), "");
}

struct Case {
  const char* rule;
  const char *method, *target, *scope, *host;
  std::vector<std::pair<const char*, const char*>> headers;
  Destination destination;
};

const std::vector<Case> kCases = {
    {"X-Amz-Target", "POST", "/", "sagemaker", "h", {{"X-Amz-Target", "SageMaker.ListModels"}}, Destination::kJson},
    {"X-Amz-Target", "POST", "/", "", "h", {{"X-Amz-Target", "Nobody.X"}}, Destination::kJson},
    {"smithy RPC v2",
     "POST",
     "/service/GraniteServiceVersion20100801/operation/ListMetrics",
     "monitoring",
     "h",
     {{"smithy-protocol", "rpc-v2-cbor"}},
     Destination::kUnsupportedWire},
    {"runtime", "POST", "/endpoints/e/invocations", "sagemaker", "h", {}, Destination::kRuntime},
    {"runtime", "POST", "/endpoints/e/async-invocations", "sagemaker", "h", {}, Destination::kRuntime},
    {"runtime",
     "POST",
     "/endpoints/e/invocations",
     "",
     "runtime.sagemaker.us-west-2.amazonaws.com",
     {},
     Destination::kRuntime},
    {"runtime host or scope, other path", "GET", "/endpoints/e", "sagemaker", "h", {}, Destination::kRuntime},
    {"sagemaker-metrics", "PUT", "/BatchPutMetrics", "sagemaker", "h", {}, Destination::kSagemakerMetrics},
    {"scope s3 or Version 2", "PUT", "/endpoints/x/invocations", "s3", "h", {}, Destination::kS3},
    {"scope s3 or Version 2",
     "POST",
     "/",
     "s3",
     "h",
     {{"Content-Type", "application/x-www-form-urlencoded"}},
     Destination::kS3},
    {"scope s3 or Version 2", "GET", "/b/k?AWSAccessKeyId=A&Signature=S&Expires=1", "", "h", {}, Destination::kS3},
    {"query form",
     "POST",
     "/",
     "sts",
     "h",
     {{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}},
     Destination::kQuery},
    {"query form", "POST", "/", "", "h", {{"Content-Type", "application/x-www-form-urlencoded"}}, Destination::kQuery},
    {"query scope", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", "sts", "h", {}, Destination::kQuery},
    {"signed for something else", "GET", "/x", "execute-api", "h", {}, Destination::kUnknown},
    {"unsigned runtime", "POST", "/endpoints/e/invocations", "", "h", {}, Destination::kRuntime},
    {"unsigned", "GET", "/", "", "localhost:9400", {}, Destination::kS3},
    {"unsigned", "GET", "/", "", "s3.us-east-1.amazonaws.com", {}, Destination::kS3},
    {"unsigned", "GET", "/bucket/key", "", "localhost", {}, Destination::kS3},
    {"unsigned", "POST", "/endpoints/e/invocations", "", "b.s3.amazonaws.com", {}, Destination::kS3},
};

TEST(Dispatch, EveryRuleIsReachedByItsCases) {
  std::set<std::string_view> reached;
  for (const Case& c : kCases) {
    http::TextBody body("");
    http::Request request{c.method, c.target, {{"Host", c.host}}, body, false, "", ""};
    for (const auto& [name, value] : c.headers) request.headers.add(name, value);
    if (*c.scope != 0)
      request.headers.add("Authorization", "AWS4-HMAC-SHA256 Credential=A/20260101/r/" + std::string(c.scope) +
                                               "/aws4_request, SignedHeaders=host, Signature=" + std::string(64, '0'));
    request.headers.add("X-Amz-Date", "20260101T000000Z");
    Signature signature;
    read_signature(request, signature);
    const DispatchRule& rule = dispatch(facts_of(request, signature, {}));
    EXPECT_EQ(rule.name, c.rule) << c.method << " " << c.target;
    EXPECT_EQ(rule.destination, c.destination) << c.target;
    reached.insert(rule.name);
  }
  for (const DispatchRule& rule : dispatch_rules()) EXPECT_TRUE(reached.contains(rule.name)) << rule.name;
}

TEST(BucketOfHost, KnowsVirtualHostForms) {
  const std::vector<std::string> own = {"s3.example.org"};
  const std::vector<std::pair<const char*, const char*>> rows = {{"b.s3.us-west-2.amazonaws.com", "b"},
                                                                 {"b.s3.amazonaws.com:443", "b"},
                                                                 {"a.b.s3-eu-west-1.amazonaws.com", "a.b"},
                                                                 {"b.s3.dualstack.us-east-1.amazonaws.com", "b"},
                                                                 {"s3-logs.s3.amazonaws.com", "s3-logs"},
                                                                 {"b.s3.cn-north-1.amazonaws.com.cn", "b"},
                                                                 {"Upper.S3.amazonaws.com", "upper"},
                                                                 {"b.s3.example.org", "b"},
                                                                 {"s3.us-west-2.amazonaws.com", ""},
                                                                 {"s3-us-west-2.amazonaws.com", ""},
                                                                 {"s3.amazonaws.com", ""},
                                                                 {"localhost:9400", ""},
                                                                 {"127.0.0.1", ""},
                                                                 {"api.sagemaker.us-east-1.amazonaws.com", ""},
                                                                 {"s3.example.org", ""},
                                                                 {"xs3.example.org", ""},
                                                                 {"", ""}};
  for (const auto& [host, bucket] : rows) EXPECT_EQ(bucket_of_host(host, own).value_or(""), bucket) << host;
}

TEST(Proxy, OnlyAwsHostNamesAreTunnelled) {
  for (const char* good : {"s3.amazonaws.com", "a.b.s3.us-east-1.amazonaws.com", "sts.cn-north-1.amazonaws.com.cn"})
    EXPECT_TRUE(is_aws_host(good)) << good;
  for (const char* bad : {"amazonaws.com.evil.org", "evilamazonaws.com", "amazonaws.com", "-.amazonaws.com",
                          "a b.amazonaws.com", "..amazonaws.com", "", "x\n.amazonaws.com", "127.0.0.1"})
    EXPECT_FALSE(is_aws_host(bad)) << bad;
}

TEST(Proxy, TheAuthorityIsMadeOnceAndKept) {
  const TemporaryFolder folder;
  const auto first = open_authority(folder.path() / "ca");
  const std::string pem = read_file(first->certificate_file());
  const auto again = open_authority(folder.path() / "ca");
  EXPECT_EQ(read_file(again->certificate_file()), pem);
  EXPECT_EQ(again->context_for("a.amazonaws.com"), again->context_for("A.amazonaws.com"));
  EXPECT_NE(again->context_for("a.amazonaws.com"), again->context_for("b.amazonaws.com"));
  write_file_atomically(folder.path() / "ca" / "ca.key", "broken");
  EXPECT_THROW(open_authority(folder.path() / "ca"), Error);
}

TEST(Credentials, FileIsMadeOnceReadBackAndChecked) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "credentials";
  const Credentials made = Credentials::open(file);
  EXPECT_TRUE(made.made_now());
  EXPECT_EQ(made.first().id.size(), 20U);
  EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600));
  const Credentials read = Credentials::open(file);
  EXPECT_FALSE(read.made_now());
  EXPECT_EQ(read.find(made.first().id)->secret, made.first().secret);
  EXPECT_FALSE(read.find("nobody"));
  for (const char* bad : {"onlyakey\n", "# nothing\n", "A s\nA t\n", "A b c\n"}) {
    write_file_atomically(file, bad);
    EXPECT_THROW(Credentials::open(file), Error) << bad;
  }
}

TEST(ServiceModel, EveryPatternCompilesAndOperationsAreSorted) {
  for (const model::Shape& shape : model::kShapes) {
    if (shape.pattern == nullptr) continue;
    EXPECT_TRUE(is_valid_pattern(shape.pattern)) << shape.pattern;
  }
  for (const char* name : {"sagemaker", "logs", "cloudwatch", "sts", "iam", "sagemaker-runtime"}) {
    const model::Service* service = model::find_service(name);
    ASSERT_NE(service, nullptr) << name;
    for (const model::Operation& o : service->operations) EXPECT_EQ(model::find_operation(*service, o.name), &o);
  }
  EXPECT_EQ(model::find_service("s4"), nullptr);
}

TEST(ServiceModel, OperationsNewerThanTheBuildMachinesBotocoreAreKnownByName) {
  for (const char* name : {"CreateInferenceComponent", "ListClusters", "ListMlflowTrackingServers"})
    EXPECT_NE(model::find_operation(*model::find_service("sagemaker"), name), nullptr) << name;
}

std::string validation(const char* operation, const char* text) {
  Json input = parse_json(text);
  try {
    validate(*model::find_operation(*model::find_service("sagemaker"), operation), input);
    return "fine";
  } catch (const ServiceError& e) {
    return std::string(row(e.code()).name) + ": " + e.what();
  }
}

TEST(Validation, SpeaksAwsWords) {
  const std::string one = "ValidationException: 1 validation error detected: ";
  EXPECT_EQ(validation("DescribeModel", R"({"ModelName": "a-1"})"), "fine");
  EXPECT_EQ(validation("DescribeModel", R"({})"),
            one + "Value null at 'modelName' failed to satisfy constraint: Member must not be null");
  EXPECT_EQ(validation("DescribeModel", R"({"ModelName": null, "Unknown": [1]})"),
            one + "Value null at 'modelName' failed to satisfy constraint: Member must not be null");
  EXPECT_EQ(
      validation("ListModels", R"({"MaxResults": 101})"),
      one +
          "Value '101' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100");
  EXPECT_EQ(validation("ListModels", R"({"SortOrder": "Up"})"),
            one +
                "Value 'Up' at 'sortOrder' failed to satisfy constraint: Member must satisfy enum value set: "
                "[Ascending, Descending]");
  EXPECT_EQ(validation("DescribeModel", ("{\"ModelName\": \"" + std::string(64, 'a') + "\"}").c_str()),
            one + "Value '" + std::string(64, 'a') +
                "' at 'modelName' failed to satisfy constraint: Member must have length less than or equal to 63");
  EXPECT_EQ(validation("ListModels", R"({"MaxResults": 0, "SortBy": "x"})").substr(0, 52),
            "ValidationException: 2 validation errors detected: V");
  EXPECT_NE(validation("CreateEndpointConfig",
                       R"({"EndpointConfigName": "c", "ProductionVariants": [{"VariantName": "v", "ModelName": "m"},
                           {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 0}]})")
                .find("at 'productionVariants.2.member.initialInstanceCount'"),
            std::string::npos);
}

TEST(Validation, InstanceTypesOfTodayAreAccepted) {
  const auto variant = [](const std::string& type) {
    return validation("CreateEndpointConfig",
                      (R"({"EndpointConfigName": "c", "ProductionVariants": [{"VariantName": "v", "ModelName": "m",
                          "InitialInstanceCount": 1, "InstanceType": ")" +
                       type + R"("}]})")
                          .c_str());
  };
  for (const char* type :
       {"ml.m5.large", "ml.m7i.large", "ml.c7i-flex.2xlarge", "ml.g6e.12xlarge", "ml.p6-b200.48xlarge",
        "ml.trn2.48xlarge", "ml.inf2.xlarge", "ml.m8g.medium", "ml.u7i.112xlarge"})
    EXPECT_EQ(variant(type), "fine") << type;
  for (const char* type :
       {"m5.large", "ml.m5", "ml.m5.huge", "ml.M5.large", "ml.m5.0xlarge", "ml.m5.large ", "ml..large"})
    EXPECT_NE(variant(type).find("Member must satisfy enum value set: [ml.t2.medium, "), std::string::npos) << type;
  // The model has more than a hundred values.
  EXPECT_LT(variant("ml.m5").size(), 700U);
  EXPECT_NE(variant("ml.m5").find(" more)]"), std::string::npos);
}

TEST(Validation, WrongJsonTypesAreSerializationErrors) {
  for (const char* text :
       {R"({"MaxResults": "5"})", R"({"MaxResults": 1.5})", R"({"MaxResults": 3000000000})", R"({"NameContains": 5})",
        R"({"MaxResults": 2147483648})", R"({"MaxResults": 18446744073709551615})", R"({"SortBy": ["Name"]})",
        R"({"CreationTimeAfter": "yesterday"})", R"({"CreationTimeAfter": 1e300})", R"({"MaxResults": true})"})
    EXPECT_EQ(validation("ListModels", text).substr(0, 22), "SerializationException") << text;
}

TEST(Validation, NumbersAreKeptExactlyOrRefusedByName) {
  const auto job_with_seed = [](const char* seed) {
    return parse_json(
        std::string(
            R"({"TrainingJobName": "j", "RoleArn": "arn:aws:iam::123456789012:role/service", "AlgorithmSpecification":
      {"TrainingInputMode": "File"}, "ResourceConfig": {"InstanceType": "ml.m4.xlarge", "VolumeSizeInGB": 1}, "OutputDataConfig":
      {"S3OutputPath": "s3://b"}, "StoppingCondition": {}, "InputDataConfig": [{"ChannelName": "train", "DataSource": {},
      "ShuffleConfig": {"Seed": )") +
        seed + "}}]}");
  };
  const model::Operation& create = *model::find_operation(*model::find_service("sagemaker"), "CreateTrainingJob");
  for (const char* seed : {"9223372036854775807", "-9223372036854775808", "0"}) {
    Json input = job_with_seed(seed);
    validate(create, input);
    EXPECT_EQ(dump_json(input["InputDataConfig"][0]["ShuffleConfig"]["Seed"]), seed);
  }
  for (const char* seed : {"18446744073709551615", "9223372036854775808", "1e19"}) {
    Json input = job_with_seed(seed);
    try {
      validate(create, input);
      ADD_FAILURE() << seed << " became " << input["InputDataConfig"][0]["ShuffleConfig"]["Seed"];
    } catch (const ServiceError& e) {
      EXPECT_EQ(row(e.code()).name, std::string("SerializationException"));
      EXPECT_NE(std::string(e.what()).find("'inputDataConfig.1.member.shuffleConfig.seed'"), std::string::npos)
          << e.what();
    }
  }
  for (const char* special : {"NaN", "Infinity", "-Infinity"})
    EXPECT_EQ(
        validation(
            "CreateEndpointConfig",
            (std::string(R"({"EndpointConfigName": "c", "ProductionVariants": [{"VariantName": "v", "ModelName": "m",
                            "InitialVariantWeight": ")") +
             special + "\"}]}")
                .c_str()),
        std::string("InvalidParameterValue: The value ") + special +
            " for parameter productionVariants.1.member.initialVariantWeight is invalid.");
}

TEST(Validation, TimesMayBeTextAndWholeFloatsAreIntegers) {
  Json input = parse_json(R"({"CreationTimeAfter": "2026-11-21T00:00:00Z", "MaxResults": 5.0})");
  validate(*model::find_operation(*model::find_service("sagemaker"), "ListModels"), input);
  EXPECT_EQ(input["CreationTimeAfter"], 1795219200.0);
  EXPECT_TRUE(input["MaxResults"].is_number_integer());
}

TEST(Patterns, MatchWholeTextsInBoundedTime) {
  EXPECT_TRUE(matches_pattern("^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", "a--b"));
  EXPECT_FALSE(matches_pattern("^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}", "a-b-"));
  EXPECT_FALSE(matches_pattern("(a+)+b", std::string(5000, 'a')));  // catastrophic elsewhere
  EXPECT_FALSE(matches_pattern("[a-z]+", "ab\n"));
}

TEST(Xml, EscapesWhatADocumentCannotHold) {
  const std::string_view text = "<a>&\"\t\n\r\x01\xC3\xA4'";
  EXPECT_EQ(Xml().element("K", text).finish(), "<K>&lt;a&gt;&amp;&quot;&#9;&#10;&#13;?\xC3\xA4'</K>");
  EXPECT_EQ(Xml(Xml::Control::kReference).element("K", text).finish(),
            "<K>&lt;a&gt;&amp;&quot;&#9;&#10;&#13;&#1;\xC3\xA4'</K>");
  EXPECT_EQ(Xml().element("K", "\xFF").element("N", 5).flag("F", true).finish(), "<K>?</K><N>5</N><F>true</F>");
  EXPECT_EQ(Xml("Root a=\"b\"").open("X").text("t").fragment("<y></y>").finish(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Root a=\"b\"><X>t<y></y></X></Root>");
}

TEST(QueryForms, BecomeJsonAndBack) {
  const model::Operation& o = *model::find_operation(*model::find_service("cloudwatch"), "GetMetricStatistics");
  const Json input = json_from_form(o, {{"Action", "GetMetricStatistics"},
                                        {"Namespace", "N"},
                                        {"MetricName", "m"},
                                        {"StartTime", "2026-11-21T00:00:00Z"},
                                        {"Period", "60"},
                                        {"Statistics.member.1", "Average"},
                                        {"Dimensions.member.1.Name", "a"},
                                        {"Dimensions.member.1.Value", "b"},
                                        {"Dimensions.member.2.Name", "c"},
                                        {"Dimensions.member.2.Value", "d"},
                                        {"Dimensions-odd", "x"}});
  EXPECT_EQ(input["Dimensions"][1]["Value"], "d");
  EXPECT_EQ(input["StartTime"], 1795219200.0);
  EXPECT_EQ(input["Statistics"], Json::array({"Average"}));
  EXPECT_EQ(xml_from_json(o, {{"Label", "a<b"}, {"Datapoints", {{{"Timestamp", 1795219200}, {"Average", 0.5}}}}}),
            "<Label>a&lt;b</Label><Datapoints><member><Timestamp>2026-11-21T00:00:00.000Z</Timestamp><Average>0.5"
            "</Average></member></Datapoints>");
  EXPECT_THROW(json_from_form(o, {{"Period", "soon"}}), ServiceError);
  EXPECT_EQ(dump_json(json_from_form(o, {{"Period", "9007199254740993"}})["Period"]), "9007199254740993");
  std::map<std::string, std::string> many;
  for (int i = 1; i <= 1001; ++i) many["Statistics.member." + std::to_string(i)] = "Sum";
  EXPECT_THROW(json_from_form(o, many), ServiceError);
  const model::Operation& put = *model::find_operation(*model::find_service("cloudwatch"), "PutMetricData");
  for (const char* value : {"inf", "-inf", "nan", "infinity"}) {
    try {
      json_from_form(put, {{"Namespace", "N"}, {"MetricData.member.1.Value", value}});
      ADD_FAILURE() << value;
    } catch (const ServiceError& e) {
      EXPECT_EQ(e.code(), Code::kInvalidParameterValue);
      EXPECT_EQ(e.what(), std::string("The value ") + value + " for parameter MetricData.member.1.Value is invalid.");
    }
  }
  EXPECT_THROW(json_from_form(o, {{"Dimensions.member.1.Name.x", "a"}}), ServiceError);
}

}  // namespace
}  // namespace clary::aws
