// What a reply of Prometheus says about the number of transactions. SQL: tests/postgres/checks.

#include "controller/checks/transactions.hpp"

#include <gmock/gmock.h>

#include "tests/kube/client/tcp_server.hpp"

namespace rls::checks {
namespace {

using namespace std::chrono_literals;
using kube::test::Peer;
using kube::test::TcpServer;
using testing::HasSubstr;
using testing::StartsWith;
using State = CheckResult::State;
using Heard = Outcome::Heard;

const Time kSince = *parse_rfc3339("2026-01-15T12:00:00Z");

std::string vector_of(const std::vector<std::string>& samples) {
  std::string result;
  for (const std::string& sample : samples)
    result += (result.empty() ? "" : ",") + std::string(R"({"metric":{},"value":[1,")") + sample + R"("]})";
  return R"({"status":"success","data":{"resultType":"vector","result":[)" + result + "]}}";
}
CountQuery counting(const std::string& url, const std::string& query = "seen{p=\"$project\"}[$window]") {
  CountQuery out{.source = {}, .project = "sm", .since = kSince};
  out.source.prometheus = {url, query};
  return out;
}

class CountByPrometheus : public testing::Test {
 protected:
  Outcome answered(const std::string& body, const std::string& status = "200 OK") {
    TcpServer server([&](Peer& peer) {
      head_ = peer.read_head();
      peer.say("HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
               body);
    });
    return count_by_prometheus(counting(server.url()), std::vector<std::string>{server.url()}, kSince + 90s,
                               {}, {.timeout = 2s});
  }
  /// It is no evidence at once: an older figure does not go on counting.
  static void expect_none(const Outcome& outcome, const std::string& because) {
    EXPECT_EQ(outcome.state, State::unknown);
    EXPECT_EQ(outcome.heard, Heard::answer);
    EXPECT_FALSE(outcome.count);
    EXPECT_THAT(outcome.message,
                StartsWith("transactions are not counted: spec.evidence.transactions.prometheus: "));
    EXPECT_THAT(outcome.message, HasSubstr(because));
  }
  std::string head_;
};

TEST_F(CountByPrometheus, OneSampleIsTheFigure) {
  EXPECT_EQ(answered(vector_of({"12"})).count, 12);
  EXPECT_THAT(head_, StartsWith("GET /api/v1/query?query=seen%7Bp%3D%22sm%22%7D%5B90000ms%5D&time="
                                "2026-01-15T12%3A01%3A30Z HTTP/1.1\r\n"));
  EXPECT_EQ(answered(vector_of({"0"})).count, 0);
  EXPECT_EQ(answered(vector_of({"999.999"})).count, 999) << "increase() has fractions";
  const Outcome scalar =
      answered(R"({"status":"success","data":{"resultType":"scalar","result":[1,"1e3"]}})");
  EXPECT_EQ(scalar.count, 1000);
  EXPECT_EQ(scalar.state, State::passed);
}

TEST_F(CountByPrometheus, AllElseIsNoFigure) {
  expect_none(answered(vector_of({})), "the query gives no sample: use `or vector(0)`");
  expect_none(answered(vector_of({"12", "13"})), "the query gives 2 samples; one is wanted: use sum()");
  expect_none(answered(vector_of({"NaN"})), "the query gives nan; a number, 0 or more, is wanted");
  expect_none(answered(vector_of({"+Inf"})), "the query gives inf");
  expect_none(answered(vector_of({"-1"})), "the query gives -1");
  expect_none(answered(vector_of({"1e300"})), "the query gives 1e+300");
  expect_none(answered("<html>"), "no Prometheus");
  expect_none(answered(R"({"status":"error","error":"parse error"})", "400 Bad Request"), "parse error");
  expect_none(answered("busy", "503 Service Unavailable"), "503");
  std::string part = vector_of({"5000"});
  part.insert(part.size() - 1, R"(,"warnings":["store b: deadline exceeded"])");
  expect_none(answered(part), "store b: deadline exceeded");
}

TEST_F(CountByPrometheus, WhoDoesNotAnswerInTimeIsNoFigure) {
  TcpServer server([](Peer& peer) {
    peer.read_head();
    peer.read_head();  // until the other side has had enough
  });
  expect_none(count_by_prometheus(counting(server.url()), std::vector<std::string>{server.url()},
                                  kSince + 90s, {}, {.timeout = 200ms}),
              "");
}

TEST_F(CountByPrometheus, NobodyIsAskedWhoIsNotAllowedOrNotToBeUnderstood) {
  TcpServer server([](Peer& peer) { peer.say("no"); });
  expect_none(count_by_prometheus(counting(server.url()), {}, kSince + 90s, {}), "--allowed-prometheus-urls");
  expect_none(count_by_prometheus(counting(server.url(), "seen{p=~\"$project\"}[$window]"),
                                  std::vector<std::string>{server.url()}, kSince + 90s, {}),
              "$project must be compared by =");
  EXPECT_EQ(server.connections(), 0);
}

}  // namespace
}  // namespace rls::checks
