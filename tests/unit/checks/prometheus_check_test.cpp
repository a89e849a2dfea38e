// What a reply of Prometheus means, and what is made of servers that are none.

#include "controller/checks/prometheus_check.hpp"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "tests/kube/client/tcp_server.hpp"
#include "tests/kube/client/tls_server.hpp"

namespace rls::checks {
namespace {

using namespace std::chrono_literals;
using kube::test::Peer;
using kube::test::TcpServer;
using testing::HasSubstr;
using testing::StartsWith;
using State = CheckResult::State;
using Heard = Outcome::Heard;

Expectation expected(std::string_view text) { return parse_expectation(text).value(); }

TEST(Expectation, IsAComparisonAndANumber) {
  const struct {
    std::string text;
    double yes, no;
  } rows[] = {
      {"== 1", 1, 2},      {"!= 1", 2, 1}, {"< 0.01", 0.009, 0.01}, {"<= 0.01", 0.01, 0.011}, {"> -1", 0, -1},
      {">= 1e3", 1000, 9}, {"<5", 4, 5},   {"  >=  +2  ", 2, 1}};
  for (const auto& row : rows) {
    const auto expectation = parse_expectation(row.text);
    ASSERT_TRUE(expectation.ok()) << row.text;
    EXPECT_TRUE(expectation->is_met_by(row.yes)) << row.text;
    EXPECT_FALSE(expectation->is_met_by(row.no)) << row.text;
  }
}

TEST(Expectation, AnythingElseIsRefusedWithAnExample) {
  for (const char* text : {"", " ", "1", "= 1", "=> 1", "<> 1", "<", "< ", "< x", "< 1x", "< 1 2", "< NaN",
                           "< inf", "< +-1", "< 0x10", "< 1%", "== true", "<< 1", "< 1e999"}) {
    const auto expectation = parse_expectation(text);
    ASSERT_FALSE(expectation.ok()) << text;
    EXPECT_EQ(expectation.error().reason, "InvalidExpectation");
    EXPECT_THAT(expectation.error().message, HasSubstr("\"< 0.01\""));
  }
}

TEST(Expectation, NaNNeverMeetsOne) {
  for (const char* text : {"== 1", "!= 1", "< 1", "<= 1", "> 1", ">= 1"}) {
    EXPECT_FALSE(expected(text).is_met_by(std::nan(""))) << text;
  }
}

std::string vector_of(const std::vector<std::string>& samples) {
  std::string result;
  for (const std::string& sample : samples) {
    result += (result.empty() ? "" : ",") + std::string(R"({"metric":{"a":"b"},"value":[1435781451.781,")") +
              sample + R"("]})";
  }
  return R"({"status":"success","data":{"resultType":"vector","result":[)" + result + "]}}";
}
Outcome judged(const std::string& body, std::string_view expect = "< 1", int status = 200) {
  return judge_reply({status, body, {}}, expected(expect));
}

TEST(PrometheusReply, PassesWhereEverySampleIsAsExpected) {
  const Outcome outcome = judged(vector_of({"0.5", "0"}));
  EXPECT_EQ(outcome.state, State::passed);
  EXPECT_EQ(outcome.message, "all samples are < 1");
  EXPECT_EQ(judged(vector_of({"-Inf"})).state, State::passed);
  EXPECT_EQ(judged(R"({"data":{"result":[1,"0.5"],"resultType":"scalar"},"status":"success"})").state,
            State::passed)
      << "fields in any order";
}

TEST(PrometheusReply, OneSampleThatIsNotFails) {
  const Outcome outcome = judged(vector_of({"0.5", "1.5", "2"}));
  EXPECT_EQ(outcome.state, State::failed);
  EXPECT_EQ(outcome.message, "2 of 3 samples not < 1, such as 1.5");
  EXPECT_EQ(judged(vector_of({"+Inf"})).state, State::failed);
  EXPECT_EQ(judged(vector_of({"NaN", "2"})).state, State::failed);
}

TEST(PrometheusReply, NoSampleAndNaNSayNothing) {
  const Outcome none = judged(vector_of({}));
  EXPECT_EQ(none.state, State::unknown);
  EXPECT_EQ(none.message, "the query gives no sample: use `or vector(0)`");
  EXPECT_EQ(none.heard, Heard::answer);
  const Outcome nan = judged(vector_of({"0.5", "NaN"}), "!= 7");
  EXPECT_EQ(nan.state, State::unknown);
  EXPECT_EQ(nan.message, "1 of 2 samples NaN, which says nothing");
}

TEST(PrometheusReply, AWarningMeansThatDataMayBeMissing) {
  std::string body = vector_of({"0.5"});
  body.insert(body.size() - 1, R"(,"warnings":["store b: deadline exceeded"])");
  const Outcome outcome = judged(body);
  EXPECT_EQ(outcome.state, State::unknown);
  EXPECT_THAT(outcome.message, HasSubstr("store b: deadline exceeded"));
  std::string none = vector_of({"0.5"});
  none.insert(none.size() - 1, R"(,"warnings":[])");
  EXPECT_EQ(judged(none).state, State::passed);
}

TEST(PrometheusReply, OtherTypesAreNamed) {
  for (const char* type : {"matrix", "string"}) {
    const Outcome outcome = judged(R"({"status":"success","data":{"resultType":")" + std::string(type) +
                                   R"(","result":[1,"0"]}})");
    EXPECT_EQ(outcome.state, State::unknown);
    EXPECT_THAT(outcome.message, HasSubstr(type));
  }
}

TEST(PrometheusReply, ARefusalIsAnAnswerAndAnOutageIsNone) {
  const std::string body = R"({"status":"error","errorType":"bad_data","error":"parse error: no"})";
  EXPECT_THAT(judged(body, "< 1", 400).message, HasSubstr("Prometheus answers 400: \"parse error: no\""));
  EXPECT_EQ(judged(body, "< 1", 400).heard, Heard::answer);
  EXPECT_EQ(judged(body, "< 1", 503).heard, Heard::nothing);
  EXPECT_EQ(judged(body, "< 1", 200).state, State::unknown) << "whatever the status line says";
  EXPECT_EQ(judged("gone", "< 1", 502).heard, Heard::nothing);
  EXPECT_EQ(judged("slow down", "< 1", 429).heard, Heard::nothing);
  EXPECT_EQ(judged("who are you", "< 1", 401).heard, Heard::answer);
  EXPECT_THAT(judged("moved", "< 1", 302).message, HasSubstr("302, a redirect"));
  EXPECT_EQ(judged(vector_of({"0.5"}), "< 1", 404).state, State::unknown)
      << "a good body counts with 200 alone";
}

TEST(PrometheusReply, NonsenseIsNoEvidence) {
  for (const std::string& body :
       {std::string(),
        std::string("<html>"),
        std::string("{"),
        std::string("[]"),
        std::string("null"),
        std::string("{}"),
        std::string(R"({"status":"success"})"),
        std::string(R"({"status":1})"),
        std::string(R"({"status":"success","data":{}})"),
        std::string(R"({"status":"success","data":{"resultType":"vector"}})"),
        std::string(R"({"status":"success","data":{"resultType":"vector","result":{}}})"),
        std::string(R"({"status":"success","data":{"resultType":"vector","result":[{"value":[1,0.5]}]}})"),
        std::string(R"({"status":"success","data":{"resultType":"vector","result":[{"value":[1]}]}})"),
        std::string(
            R"({"status":"success","data":{"resultType":"vector","result":[{"value":[1,"0","0"]}]}})"),
        std::string(R"({"status":"success","data":{"resultType":"vector","result":[{"value":[1,""]}]}})"),
        std::string(R"({"status":"success","data":{"resultType":"vector","result":[{"histogram":[1,{}]}]}})"),
        vector_of({"0.5"}).substr(0, 60),
        vector_of({"0.5 or so"}),
        std::string(100'000, '['),
        std::string("\xff\xfe\0x", 4)}) {
    EXPECT_EQ(judged(body).state, State::unknown) << body.substr(0, 100);
  }
}

std::string reply(const std::string& status, const std::string& headers, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\n" + headers + "Content-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}
Outcome ask(const std::string& url, const kube::HttpGet& bounds = {}, const std::stop_token& stop = {}) {
  return run_prometheus_check({url, "up{job=\"a b\"} + 1", "< 1"}, "sm", std::vector<std::string>{url}, stop,
                              bounds);
}

TEST(PrometheusCheck, AsksBelowTheUrlWithTheQueryEncoded) {
  std::string head;
  TcpServer server([&](Peer& peer) {
    head = peer.read_head();
    peer.say(reply("200 OK", "", vector_of({"0.5"})));
  });
  const Outcome outcome = ask(server.url() + "/prom/");
  EXPECT_EQ(outcome.state, State::passed) << outcome.message;
  EXPECT_THAT(head,
              StartsWith("GET /prom/api/v1/query?query=up%7Bjob%3D%22a%20b%22%7D%20%2B%201 HTTP/1.1\r\n"));
  EXPECT_THAT(head, testing::Not(HasSubstr("Authorization")));
}

TEST(PrometheusCheck, ARedirectIsNotFollowed) {
  TcpServer other([](Peer& peer) {
    if (!peer.read_head().empty()) peer.say(reply("200 OK", "", vector_of({"0.5"})));
  });
  TcpServer server([&](Peer& peer) {
    peer.read_head();
    peer.say(reply("302 Found", "Location: " + other.url() + "/api/v1/query\r\n", ""));
  });
  EXPECT_THAT(ask(server.url()).message, HasSubstr("302, a redirect"));
  EXPECT_EQ(other.connections(), 0);
}

TEST(PrometheusCheck, NobodyIsAskedWhoIsNotAllowed) {
  TcpServer server([](Peer& peer) { peer.say("no"); });
  const Outcome outcome = run_prometheus_check({server.url(), "up", "< 1"}, "sm", {}, {});
  EXPECT_EQ(outcome.state, State::unknown);
  EXPECT_THAT(outcome.message, HasSubstr("--allowed-prometheus-urls"));
  EXPECT_EQ(server.connections(), 0);
}

TEST(PrometheusCheck, TheEnvironmentsProxyIsNotUsed) {
  TcpServer proxy([](Peer& peer) { peer.read_head(); });
  TcpServer server([](Peer& peer) {
    peer.read_head();
    peer.say(reply("200 OK", "", vector_of({"0.5"})));
  });
  ::setenv("http_proxy", proxy.url().c_str(), 1);
  ::setenv("HTTP_PROXY", proxy.url().c_str(), 1);
  EXPECT_EQ(ask(server.url()).state, State::passed);
  ::unsetenv("http_proxy");
  ::unsetenv("HTTP_PROXY");
  EXPECT_EQ(proxy.connections(), 0);
}

TEST(PrometheusCheck, ServersThatAreNoneSayNothing) {
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string& nonsense : {std::string(), std::string("SSH-2.0-OpenSSH_9.2\r\n"),
                                      std::string("HTTP/1.1 200\r\n"), std::string("HTTP/1.1 abc OK\r\n\r\n"),
                                      reply("200 OK", "", "<html>"), reply("204 No Content", "", ""),
                                      "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n" + vector_of({"0.5"}),
                                      chunked + "zz\r\n", chunked + "5\r\n{}", std::string(100'000, 'x')}) {
    TcpServer server([&](Peer& peer) {
      peer.read_head();
      peer.say(nonsense);
    });
    EXPECT_EQ(ask(server.url(), {.timeout = 1s}).state, State::unknown) << nonsense.substr(0, 60);
  }
}

TEST(PrometheusCheck, AnEndlessReplyIsCutOff) {
  std::size_t said = 0;
  TcpServer server([&](Peer& peer) {
    peer.read_head();
    peer.say("HTTP/1.1 200 OK\r\n\r\n");
    const std::string piece(65536, ' ');
    while (!peer.over() && said < 1'000 * piece.size() &&
           ::send(peer.fd(), piece.data(), piece.size(), MSG_NOSIGNAL) > 0) {
      said += piece.size();
    }
  });
  const Outcome outcome = ask(server.url());
  EXPECT_EQ(outcome.heard, Heard::nothing);
  EXPECT_THAT(outcome.message, HasSubstr("too large a reply"));
}

TEST(PrometheusCheck, ASilentServerIsNotWaitedForLongerThanTheLimit) {
  TcpServer server([](Peer& peer) {
    peer.read_head();
    peer.silent_until_closed();
  });
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = ask(server.url(), {.timeout = 300ms});
  EXPECT_EQ(outcome.heard, Heard::nothing);
  EXPECT_THAT(outcome.message, HasSubstr("has not answered within 300 ms"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 3s);
}

TEST(PrometheusCheck, AStopEndsTheWaiting) {
  std::stop_source stop;
  TcpServer server([&](Peer& peer) {
    peer.read_head();
    stop.request_stop();
    peer.silent_until_closed();
  });
  EXPECT_EQ(ask(server.url(), {.timeout = 60s}, stop.get_token()).message, "the call was stopped");
}

TEST(PrometheusCheck, ANameThatNobodyKnowsIsSaid) {
  EXPECT_THAT(ask("http://nobody.invalid:9090").message,
              HasSubstr("the host of http://nobody.invalid:9090 cannot be looked up"));
}

TEST(PrometheusCheck, WhatCannotBeAskedIsSaidByField) {
  const std::vector<std::string> allowed = {"http://127.0.0.1:1"};
  EXPECT_THAT(run_prometheus_check({allowed[0], "up", "soon"}, "sm", allowed, {}).message,
              HasSubstr("prometheus.expect must be"));
  EXPECT_THAT(run_prometheus_check({allowed[0], "", "< 1"}, "sm", allowed, {}).message,
              HasSubstr("prometheus.query is empty"));
  EXPECT_THAT(run_prometheus_check({allowed[0], std::string(20'000, 'x'), "< 1"}, "sm", allowed, {}).message,
              HasSubstr("16 KiB"));
  const Outcome refused = run_prometheus_check({allowed[0], "up", "< 1"}, "sm", allowed, {});
  EXPECT_EQ(refused.heard, Heard::nothing);
  EXPECT_THAT(refused.message, HasSubstr("the connection to http://127.0.0.1:1 could not be made"));
}

class PrometheusTls : public testing::Test {
 protected:
  PrometheusTls()
      : roots_(
            (std::filesystem::temp_directory_path() / ("rls-roots-" + std::to_string(::getpid()))).string()) {
    trust(ca_);
  }
  ~PrometheusTls() override { std::filesystem::remove(roots_); }

  void trust(const kube::test::TestCa& ca) const {
    std::ofstream(roots_) << ca.pem();
    // Else as old as what was there before, on a coarse file system.
    static int seconds = 0;
    std::filesystem::last_write_time(roots_, std::filesystem::file_time_type::clock::now() + ++seconds * 1s);
  }
  Outcome ask_over_tls(const kube::test::Pair& own) const {
    kube::test::TlsServer server(
        own, [](const auto&) { return kube::test::http_reply("200 OK", vector_of({"0.5"})); });
    return ask("https://127.0.0.1:" + std::to_string(server.port()), {.timeout = 5s, .roots = roots_});
  }

  const kube::test::TestCa ca_{"ours"};
  const kube::test::TestCa other_{"other"};
  const std::string roots_;
};

TEST_F(PrometheusTls, TrustsTheRootsAlone) {
  const Outcome good = ask_over_tls(ca_.issue("p", "IP:127.0.0.1"));
  EXPECT_EQ(good.state, State::passed) << good.message;
  EXPECT_EQ(ask_over_tls(other_.issue("p", "IP:127.0.0.1")).heard, Heard::nothing);
}

TEST_F(PrometheusTls, TheCertificateMustBeForTheHost) {
  EXPECT_EQ(ask_over_tls(ca_.issue("p", "IP:127.0.0.2")).heard, Heard::nothing);
  EXPECT_EQ(ask_over_tls(ca_.issue("127.0.0.1", "DNS:prometheus")).heard, Heard::nothing);
}

TEST_F(PrometheusTls, ChangedRootsAreReadAgain) {
  ASSERT_EQ(ask_over_tls(ca_.issue("p", "IP:127.0.0.1")).state, State::passed);
  trust(other_);
  EXPECT_EQ(ask_over_tls(ca_.issue("p", "IP:127.0.0.1")).heard, Heard::nothing);
  EXPECT_EQ(ask_over_tls(other_.issue("p", "IP:127.0.0.1")).state, State::passed);
}

TEST_F(PrometheusTls, WithoutRootsNobodyIsTrusted) {
  std::filesystem::remove(roots_);
  EXPECT_THAT(ask_over_tls(ca_.issue("p", "IP:127.0.0.1")).message,
              HasSubstr("there are no certificates in"));
}

}  // namespace
}  // namespace rls::checks
