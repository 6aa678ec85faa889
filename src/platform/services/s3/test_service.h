// SPDX-License-Identifier: Apache-2.0
// Sends requests straight into the handler, as the edge would after its checks.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "base/files.h"
#include "platform/aws/service_error.h"
#include "platform/services/s3/service.h"

namespace clary::s3 {

struct Answer {
  int status = 0;
  http::Headers headers;
  std::string body;
  std::string code;  // of the error, if it was one
  Json extra;
};

class S3ServiceTest : public ::testing::Test {
 protected:
  using Fields = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  S3ServiceTest() {
    caller_ = {"AKIDTEST", "123456789012", "us-west-2", "request-1", "localhost:9400", false};
    send("PUT", "/bucket");
  }
  ~S3ServiceTest() override { workers_.join(); }

  Answer send(std::string method, std::string target, std::string body = {}, Fields fields = {}) {
    http::Headers headers(fields);
    if (!headers.has("Content-Length")) headers.set("Content-Length", std::to_string(body.size()));
    http::TextBody source(std::move(body));
    http::Request request{std::move(method), std::move(target), std::move(headers), source, false, {}, "test"};
    http::asio::io_context io;
    Answer answer;
    http::asio::co_spawn(io, run(request, answer), http::asio::detached);
    io.run();
    return answer;
  }

  objects::ObjectStore& store() { return store_; }
  aws::Caller caller_;

 private:
  http::asio::awaitable<void> run(http::Request& request, Answer& answer) {
    try {
      http::Response response = co_await handler_(request, caller_);
      answer.status = response.status;
      answer.headers = response.headers;
      if (const auto* text = std::get_if<std::string>(&response.body)) answer.body = *text;
      if (const auto* file = std::get_if<http::FileBody>(&response.body)) {
        answer.body.resize(file->length);
        if (::pread(file->fd.get(), answer.body.data(), file->length, static_cast<off_t>(file->offset)) !=
            static_cast<ssize_t>(file->length))
          ADD_FAILURE() << "short file body";
      }
    } catch (const aws::ServiceError& e) {
      answer.code = aws::row(e.code()).name;
      answer.status = aws::row(e.code()).status;
      answer.body = e.what();
      answer.extra = e.extra();
    } catch (const http::RequestError& e) {
      answer.status = e.status();
      answer.code = "RequestError";
    } catch (const std::exception& e) {
      answer.code = std::string("other: ") + e.what();
    }
  }

  TemporaryFolder folder_;
  store::Database database_{folder_.path() / "clary.db"};
  objects::ObjectStore store_{folder_.path(), database_};
  http::asio::thread_pool workers_{2};
  aws::RawHandler handler_ = s3_handler(store_, workers_);
};

}  // namespace clary::s3
