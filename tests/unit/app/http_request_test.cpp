#include "controller/app/http_request.hpp"

#include <gtest/gtest.h>

#include "controller/app/bind_address.hpp"

namespace rls::app {
namespace {

int status_of(std::string_view bytes) {
  const auto parsed = parse_request(bytes);
  if (const auto* bad = std::get_if<BadRequest>(&parsed)) return bad->status;
  return std::holds_alternative<Incomplete>(parsed) ? 100 : 200;
}

TEST(HttpRequest, IsReadOffTheFront) {
  const std::string_view bytes =
      "GET /metrics?format=text HTTP/1.1\r\nHost: a:8080\r\nAccept: */*\r\n\r\nGET /next";
  const auto parsed = parse_request(bytes);
  const auto* request = std::get_if<HttpRequest>(&parsed);
  ASSERT_NE(request, nullptr);
  EXPECT_EQ(request->method, "GET");
  EXPECT_EQ(request->path, "/metrics");
  EXPECT_TRUE(request->keep_alive);
  EXPECT_TRUE(request->chunks);
  EXPECT_EQ(bytes.substr(request->size), "GET /next");
}

TEST(HttpRequest, EveryPrefixIsIncomplete) {
  const std::string_view bytes = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_EQ(status_of(bytes.substr(0, size)), 100) << size;
  EXPECT_EQ(status_of(bytes), 200);
}

TEST(HttpRequest, SaysWhetherAnotherMayFollow) {
  const struct {
    std::string_view bytes;
    bool keep_alive;
    bool chunks;
  } rows[] = {
      {"GET / HTTP/1.1\r\n\r\n", true, true},
      {"GET / HTTP/1.0\r\n\r\n", false, false},
      {"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", false, true},
      {"GET / HTTP/1.1\r\ncOnNeCtIoN:\t CLOSE \r\n\r\n", false, true},
      {"GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n", true, true},
      {"GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", true, true},
      {"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", false, true},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", false, true},
  };
  for (const auto& row : rows) {
    const auto parsed = parse_request(row.bytes);
    const auto* request = std::get_if<HttpRequest>(&parsed);
    ASSERT_NE(request, nullptr) << row.bytes;
    EXPECT_EQ(request->keep_alive, row.keep_alive) << row.bytes;
    EXPECT_EQ(request->chunks, row.chunks) << row.bytes;
  }
}

TEST(HttpRequest, NonsenseIsRefused) {
  const struct {
    std::string bytes;
    int status;
  } rows[] = {
      {"\r\n\r\n", 400},
      {"GET\r\n\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"GET http://other/ HTTP/1.1\r\n\r\n", 400},
      {"G(T / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\n: no name\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nna me: x\r\n\r\n", 400},
      {std::string("GET /\0 HTTP/1.1\r\n\r\n", 19), 400},
      {"GET /he.C\ralthz HTTP/1.0\r\n\r\n", 400},
      {"GET /\n HTTP/1.0\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nX: a\nConnection: close\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", 400},
      {std::string("GET / HTTP/1.1\r\nX: \0\r\n\r\n", 24), 400},
      {"GET / HTTP/2.0\r\n\r\n", 505},
      {"GET / SPDY\r\n\r\n", 400},
      {"\x16\x03\x01 TLS hello\r\n\r\n", 400},
      {std::string(kLongestRequestHead, 'a'), 431},
      {"GET / HTTP/1.1\r\nX: " + std::string(kLongestRequestHead, 'a') + "\r\n\r\n", 431},
  };
  for (const auto& row : rows) EXPECT_EQ(status_of(row.bytes), row.status) << row.bytes.substr(0, 60);
}

TEST(BindAddress, IsHostAndPort) {
  const struct {
    std::string_view text;
    std::string_view host;
    int port;
  } rows[] = {
      {"0.0.0.0:8080", "0.0.0.0", 8080}, {":8080", "", 8080},       {"localhost:0", "localhost", 0},
      {"[::1]:65535", "::1", 65535},     {"[::]:8080", "::", 8080},
  };
  for (const auto& row : rows) {
    const auto address = parse_bind_address(row.text);
    ASSERT_TRUE(address.ok()) << row.text;
    EXPECT_EQ(address->host, row.host);
    EXPECT_EQ(address->port, row.port);
  }
}

TEST(BindAddress, AnythingElseIsRefused) {
  for (const std::string_view text :
       {"", "8080", "host", "host:", "host:http", "host:-1", "host:65536", "host:80x", "::1:8080", "[::1]",
        "[]:80", "[host]:80", "http://host:80", "a b:80", "[::1:80", "host]:80"}) {
    const auto address = parse_bind_address(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_NE(address.error().message.find("HOST:PORT"), std::string::npos);
  }
}

}  // namespace
}  // namespace rls::app
