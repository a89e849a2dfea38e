// SQL checks against a genuine server: what counts as what, and that nothing is ever written.

#include "controller/checks/sql_check.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <limits>
#include <memory>
#include <pqxx/pqxx>
#include <thread>

#include "controller/base/log.hpp"
#include "controller/checks/transactions.hpp"

// libpqxx 6.4 loses one PGresult with each connection that breaks under a statement. Read by LeakSanitizer.
extern "C" const char* __lsan_default_suppressions();  // NOLINT: its name
extern "C" const char* __lsan_default_suppressions() { return "leak:libpqxx\n"; }

namespace rls::checks {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using State = CheckResult::State;
using Heard = Outcome::Heard;

constexpr const char* kPassword = "checks-canary-password";
constexpr const char* kProject = "o'sm\\";

class SqlCheck : public testing::Test {
 protected:
  void SetUp() override {
    const char* const uri = std::getenv("DATABASE_URL");
    ASSERT_NE(uri, nullptr) << "DATABASE_URL is not set: dev/cluster up --no-kube starts a server";
    server_ = uri;
    name_ = "rls_checks_" + std::to_string(::getpid());
    sql_on(server_, "CREATE DATABASE " + name_);
    sql_on(server_, "CREATE ROLE " + name_ + " LOGIN PASSWORD '" + kPassword + "'");
    const std::string database = with("");
    admin_ = std::make_unique<pqxx::connection>(database);
    sql("CREATE TABLE public.t (n int); INSERT INTO public.t VALUES (1), (2), (3);"
        "GRANT ALL ON public.t TO " +
        name_ +
        ";"
        "CREATE FUNCTION public.writes() RETURNS boolean LANGUAGE plpgsql VOLATILE AS "
        "$$ BEGIN INSERT INTO public.t VALUES (4); RETURN true; END $$;"
        "CREATE SEQUENCE public.s; GRANT ALL ON SEQUENCE public.s TO " +
        name_);
  }
  void TearDown() override {
    admin_.reset();
    if (server_.empty()) return;
    sql_on(server_, "DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
    sql_on(server_, "DROP ROLE IF EXISTS " + name_);
  }

  /// This test's database, for the superuser or for who is named.
  std::string with(const std::string& who) const {
    const std::size_t scheme = server_.find("://") + 3;
    const std::size_t at = server_.find('@', scheme);
    const std::size_t slash = server_.find('/', at);
    return "postgresql://" + (who.empty() ? server_.substr(scheme, at - scheme) : who) +
           server_.substr(at, slash - at) + "/" + name_;
  }
  static void sql_on(const std::string& uri, const std::string& text) {
    pqxx::connection connection(uri);
    pqxx::nontransaction(connection).exec(text);
  }
  void sql(const std::string& text) const { pqxx::nontransaction(*admin_).exec(text); }
  std::string value(const std::string& text) const {
    return pqxx::nontransaction(*admin_).exec(text)[0][0].c_str();
  }

  /// As the role for checks; everything that is said must be without its password.
  Outcome ask(const std::string& query, const std::string& expect = "", const SqlLimits& limits = {}) {
    return ask_as(with(name_ + ":" + kPassword), query, expect, limits);
  }
  Outcome ask_as(const std::string& uri, const std::string& query, const std::string& expect = "",
                 const SqlLimits& limits = {}, const std::stop_token& stop = {}) {
    const auto settings = postgres::parse_connection_settings(uri);
    if (!settings) {
      ADD_FAILURE() << settings.error().message;
      return {};
    }
    const Outcome outcome = run_sql_check({query, expect}, kProject, *settings, seam_, stop, limits);
    EXPECT_THAT(outcome.message, Not(HasSubstr(kPassword)));
    EXPECT_THAT(outcome.message, Not(HasSubstr("postgresql://")));
    return outcome;
  }
  /// Nothing came of it, and nothing was written.
  void expect_refused(const std::string& query, const std::string& because) {
    const Outcome outcome = ask(query);
    EXPECT_EQ(outcome.state, State::unknown) << query;
    EXPECT_THAT(outcome.message, HasSubstr(because)) << query;
    EXPECT_EQ(value("SELECT count(*) FROM public.t"), "3") << query;
    EXPECT_EQ(value("SELECT is_called FROM public.s"), "f") << query;
  }

  std::string server_, name_;
  std::unique_ptr<pqxx::connection> admin_;
  Seam seam_;
};

TEST_F(SqlCheck, PassesWhereTheValueIsAsExpected) {
  const struct {
    std::string query, expect;
  } rows[] = {{"SELECT true", ""},
              {"SELECT true", "true"},
              {"SELECT true", "t"},
              {"SELECT false", "f"},
              {"SELECT count(*) FROM public.t", "3"},
              {"SELECT 'ok', 'more'", "ok"},
              {"SELECT 0.50::numeric", "0.50"},
              {"SELECT 'true'", ""},
              {"SELECT 'äöü'", "äöü"},
              {"SELECT repeat('x', 500)", std::string(500, 'x')},
              {"WITH c AS (SELECT 1 AS n) SELECT n = 1 FROM c", ""},
              {"VALUES (7)", "7"},
              {"  SELECT true ;\n", ""},
              {"SELECT true -- so it is", ""},
              {"SELECT n > 2 FROM public.t ORDER BY n DESC LIMIT 1", ""}};
  for (const auto& row : rows) {
    const Outcome outcome = ask(row.query, row.expect);
    EXPECT_EQ(outcome.state, State::passed) << row.query << ": " << outcome.message;
  }
}

// The project's name is a parameter: whatever it holds, it is a text, and of the type that the query wants.
TEST_F(SqlCheck, TheProjectIsTheFirstParameter) {
  for (const char* query :
       {R"(SELECT $1 = E'o\'sm\\')", "SELECT $1::text LIKE 'o%'", R"(SELECT 'x' || $1 = E'xo\'sm\\')",
        "SELECT count(*) = 3 FROM public.t WHERE 'a' <> $1", "SELECT $1 IN ('a', $1)",
        "SELECT '$1' = '$' || '1'"}) {
    const Outcome outcome = ask(query);
    EXPECT_EQ(outcome.state, State::passed) << query << ": " << outcome.message;
  }
  EXPECT_EQ(ask("SELECT $1", kProject).state, State::passed);
  EXPECT_EQ(ask("SELECT $1").state, State::failed);
  expect_refused("SELECT n = $1 FROM public.t", "does not fit its column's type");
  expect_refused("SELECT $1 = $2", "");
}

TEST_F(SqlCheck, FailsOnlyWhereAnotherValueCame) {
  const Outcome outcome = ask("SELECT false");
  EXPECT_EQ(outcome.state, State::failed);
  EXPECT_EQ(outcome.message, "the query gave \"false\"; \"true\" is expected");
  EXPECT_EQ(ask("SELECT 't'").state, State::failed) << "a text is no boolean";
  EXPECT_EQ(ask("SELECT true", "tr").state, State::failed);
  EXPECT_EQ(ask("SELECT ''").state, State::failed);
  EXPECT_EQ(ask("SELECT 'TRUE'").state, State::failed);
  EXPECT_EQ(ask("SELECT repeat('x', 501)", std::string(500, 'x')).state, State::failed);
  EXPECT_EQ(ask("SELECT 1.0", "1").state, State::failed) << "as text";
}

TEST_F(SqlCheck, NothingIsNoEvidence) {
  EXPECT_THAT(ask("SELECT true WHERE false").message, HasSubstr("no row"));
  EXPECT_THAT(ask("SELECT true FROM public.t").message, HasSubstr("several rows"));
  EXPECT_THAT(ask("SELECT NULL::boolean").message, HasSubstr("NULL"));
  for (const char* query : {"SELECT true WHERE false", "SELECT true FROM public.t", "SELECT NULL::boolean",
                            "SELECT", "", " ; ", "SELECT 1 / 0", "SELECT nobody", "no SQL at all"}) {
    const Outcome outcome = ask(query);
    EXPECT_EQ(outcome.state, State::unknown) << query;
    EXPECT_EQ(outcome.heard, Heard::answer) << query << ": " << outcome.message;
  }
}

TEST_F(SqlCheck, ALongValueIsShownInPart) {
  const Outcome outcome = ask("SELECT repeat('ä', 1000) || 'the end'");
  EXPECT_THAT(outcome.message, HasSubstr("ääää"));
  EXPECT_THAT(outcome.message, HasSubstr("…"));
  EXPECT_THAT(outcome.message, Not(HasSubstr("the end")));
  EXPECT_LT(outcome.message.size(), 300U);
  EXPECT_EQ(ask("SELECT E'a\\nb'").message, "the query gave \"a\\x0ab\"; \"true\" is expected");
}

TEST_F(SqlCheck, OnlyTheFirstColumnIsShown) {
  EXPECT_THAT(ask("SELECT 1, 'a-row-value'").message, Not(HasSubstr("a-row-value")));
}

TEST_F(SqlCheck, WritesAreRefusedThoughTheRoleMayWrite) {
  sql_on(with(name_ + ":" + kPassword), "INSERT INTO public.t VALUES (9); DELETE FROM public.t WHERE n = 9");
  expect_refused("SELECT public.writes()", "read-only transaction");
  expect_refused("SELECT nextval('public.s') > 0", "read-only transaction");
  expect_refused("SELECT n = 1 FROM public.t WHERE n = 1 FOR UPDATE", "read-only transaction");
  expect_refused("SELECT set_config('transaction_read_only', 'off', true) <> '' AND public.writes()",
                 "read-write mode");
}

TEST_F(SqlCheck, NothingButAQueryIsUnderstood) {
  for (const char* query :
       {"INSERT INTO public.t VALUES (4) RETURNING true",
        "WITH w AS (INSERT INTO public.t VALUES (4) RETURNING n) "
        "SELECT true FROM w",
        "DO $$ BEGIN INSERT INTO public.t VALUES (4); COMMIT; END $$", "COMMIT", "ROLLBACK",
        "SET TRANSACTION READ WRITE", "BEGIN READ WRITE", "COPY (SELECT 1) TO PROGRAM 'touch /tmp/x'",
        "COPY public.t TO STDOUT", "CREATE TEMP TABLE x (n int)", "TRUNCATE public.t", "SHOW server_version",
        "EXPLAIN ANALYZE INSERT INTO public.t VALUES (4)", "CALL public.writes()", "VACUUM", "LISTEN x"}) {
    const Outcome outcome = ask_as(with(""), query);
    EXPECT_EQ(outcome.state, State::unknown) << query << ": " << outcome.message;
    EXPECT_EQ(value("SELECT count(*) FROM public.t"), "3") << query;
  }
  EXPECT_THAT(ask("DELETE FROM public.t").message, HasSubstr("one SELECT is wanted"));
}

TEST_F(SqlCheck, OfSeveralStatementsNoneIsRun) {
  for (const char* query : {"SELECT true; SELECT true", "SELECT true; DELETE FROM public.t",
                            "SELECT true) AS q(first_column); COMMIT; DELETE FROM public.t; --",
                            "SELECT true) AS q(first_column); ROLLBACK; INSERT INTO public.t VALUES (4) --",
                            "SELECT true /*", "SELECT $$true"}) {
    const Outcome outcome = ask_as(with(""), query);
    EXPECT_EQ(outcome.state, State::unknown) << query << ": " << outcome.message;
    EXPECT_EQ(value("SELECT count(*) FROM public.t"), "3") << query;
  }
}

TEST_F(SqlCheck, TheSuperuserReadsOnlyToo) {
  const Outcome outcome = ask_as(with(""), "SELECT public.writes()");
  EXPECT_THAT(outcome.message, HasSubstr("read-only transaction"));
  EXPECT_EQ(value("SELECT count(*) FROM public.t"), "3");
}

TEST_F(SqlCheck, SomebodyElsesFunctionDoesNotAnswer) {
  sql("CREATE FUNCTION public.count(int) RETURNS boolean LANGUAGE sql AS 'SELECT true';"
      "CREATE FUNCTION public.now() RETURNS boolean LANGUAGE sql AS 'SELECT true';"
      "CREATE FUNCTION public.left(text, int) RETURNS text LANGUAGE sql AS $$SELECT 'true'$$;"
      "ALTER ROLE " +
      name_ + " SET search_path TO public, pg_catalog");
  EXPECT_EQ(ask("SELECT now()").state, State::failed);
  EXPECT_EQ(ask("SELECT left('false', 5)").state, State::failed);
  EXPECT_THAT(ask("SELECT count(*) > 0 FROM t").message, HasSubstr("written with their schema"));
}

TEST_F(SqlCheck, WhatTakesTooLongIsCutOffAndSaysNothing) {
  const Outcome outcome = ask("SELECT pg_sleep(60) IS NULL", "", {.statement = 200ms, .lock = 2s});
  EXPECT_EQ(outcome.heard, Heard::nothing);
  EXPECT_EQ(outcome.message, "the query took longer than 200 ms");
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(ask("SELECT set_config('statement_timeout', '0', true) <> '' AND pg_sleep(60) IS NULL", "",
                {.statement = 200ms, .lock = 2s})
                .heard,
            Heard::nothing);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 50s) << "before the query ends";
}

TEST_F(SqlCheck, ALockIsNotWaitedForLong) {
  pqxx::connection other(with(""));
  pqxx::work holds(other);
  holds.exec("LOCK TABLE public.t IN ACCESS EXCLUSIVE MODE");
  const Outcome outcome = ask("SELECT count(*) = 3 FROM public.t", "", {.statement = 10s, .lock = 200ms});
  EXPECT_EQ(outcome.heard, Heard::nothing);
  EXPECT_EQ(outcome.message, "the query waited longer than 200 ms for a lock");
}

TEST_F(SqlCheck, AStopCutsIt) {
  std::stop_source stop;
  const std::jthread stopper([&] {
    while (value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(301)%' AND usename = '" +
                 name_ + "'") == "0") {
      std::this_thread::sleep_for(10ms);
    }
    stop.request_stop();
  });
  const auto begin = std::chrono::steady_clock::now();
  const Outcome outcome = ask_as(with(name_ + ":" + kPassword), "SELECT pg_sleep(301) IS NULL", "",
                                 {.statement = 300s, .lock = 2s}, stop.get_token());
  EXPECT_EQ(outcome.heard, Heard::nothing);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 250s) << "before its limit";
}

TEST_F(SqlCheck, NoConnectionIsLeft) {
  ask("SELECT true");
  for (int i = 0;
       i < 6000 && value("SELECT count(*) FROM pg_stat_activity WHERE usename = '" + name_ + "'") != "0";
       ++i) {
    std::this_thread::sleep_for(10ms);
  }
  EXPECT_EQ(value("SELECT count(*) FROM pg_stat_activity WHERE usename = '" + name_ + "'"), "0");
}

TEST_F(SqlCheck, WhatIsMissingIsSaid) {
  sql("CREATE TABLE public.secret (n int)");
  const Outcome denied = ask("SELECT count(*) = 0 FROM public.secret");
  EXPECT_EQ(denied.state, State::unknown);
  EXPECT_EQ(denied.heard, Heard::answer);
  EXPECT_THAT(denied.message, HasSubstr("permission denied for table secret"));
}

TEST_F(SqlCheck, WhereNobodyAnswersNothingIsHeard) {
  const Outcome wrong = ask_as(with(name_ + ":another-canary-password"), "SELECT true");
  EXPECT_EQ(wrong.heard, Heard::nothing);
  EXPECT_THAT(wrong.message, HasSubstr("password authentication failed"));
  EXPECT_THAT(wrong.message, Not(HasSubstr("another-canary")));
  const Outcome nobody = ask_as("postgresql://x:" + std::string(kPassword) + "@127.0.0.1:1/x", "SELECT true");
  EXPECT_EQ(nobody.heard, Heard::nothing);
  EXPECT_THAT(nobody.message, HasSubstr("cannot connect to x on 127.0.0.1:1"));
}

TEST_F(SqlCheck, ASecretInAValueIsNotShown) {
  const std::string query = "SELECT 'it is checks-canary' || '-password'";
  EXPECT_THAT(ask(query).message, HasSubstr("«redacted»"));
}

TEST_F(SqlCheck, ARowThatAnErrorQuotesIsNotShown) {
  sql("INSERT INTO public.t SELECT NULL; CREATE TABLE public.texts AS SELECT 'row-canary' AS v; GRANT SELECT "
      "ON "
      "public.texts TO " +
      name_);
  EXPECT_THAT(ask("SELECT v::int = 1 FROM public.texts").message, Not(HasSubstr("row-canary")));
}

/// Transactions of projects since 12:00.
class CountBySql : public SqlCheck {
 protected:
  void SetUp() override {
    SqlCheck::SetUp();
    sql("CREATE TABLE public.seen (project_id text, at timestamptz); GRANT SELECT ON public.seen TO " +
        name_ +
        "; INSERT INTO public.seen VALUES ('sm', '2026-01-15 12:00:00.000001Z'), ('sm', '2026-01-15 "
        "13:00Z'), "
        "('sm', '2026-01-15 12:00Z'), ('ab', '2026-01-15 13:00Z'), ('a'' OR true --', '2026-01-15 13:00Z')");
  }
  Outcome count(const std::string& query, const std::string& project = "sm", const SqlLimits& limits = {}) {
    const auto settings = postgres::parse_connection_settings(with(name_ + ":" + kPassword));
    if (!settings) {
      ADD_FAILURE() << settings.error().message;
      return {};
    }
    return count_by_sql(
        {.source = {.sql = query}, .project = project, .since = *parse_rfc3339("2026-01-15T12:00:00Z")},
        *settings, seam_, {}, limits);
  }
  /// At once: no older figure goes on counting.
  void expect_none(const std::string& query, const std::string& because, const SqlLimits& limits = {}) {
    const Outcome outcome = count(query, "sm", limits);
    EXPECT_EQ(outcome.state, State::unknown) << query;
    EXPECT_EQ(outcome.heard, Heard::answer) << query;
    EXPECT_FALSE(outcome.count) << query;
    EXPECT_THAT(outcome.message,
                testing::StartsWith("transactions are not counted: spec.evidence.transactions.sql: "));
    EXPECT_THAT(outcome.message, HasSubstr(because)) << query;
    EXPECT_THAT(outcome.message, Not(HasSubstr(kPassword)));
  }
};

constexpr const char* kCounting = "SELECT count(*) FROM public.seen WHERE project_id = $1 AND at > $2";

TEST_F(CountBySql, CountsThoseOfTheProjectSinceTheInstant) {
  EXPECT_EQ(count(kCounting).count, 2) << count(kCounting).message;
  EXPECT_EQ(count(kCounting, "ab").count, 1);
  EXPECT_EQ(count(kCounting, "nobody").count, 0);
  EXPECT_EQ(count(kCounting, "a' OR true --").count, 1) << "a name is never read as SQL";
  EXPECT_EQ(count(std::string(kCounting) + " -- so it is").count, 2);
}

TEST_F(CountBySql, ParametersHaveTheirTypesWhereverTheyStand) {
  EXPECT_EQ(count("SELECT length($1) + CASE WHEN $2 = '2026-01-15 13:00+01' THEN 10 ELSE 0 END").count, 12);
  EXPECT_EQ(count("SELECT 7").count, 7) << "both are left out";
  EXPECT_EQ(count("SELECT 7 WHERE $2 < now()").count, 7);
  sql("CREATE TABLE public.ids (id uuid); GRANT SELECT ON public.ids TO " + name_);
  expect_none("SELECT count(*) FROM public.ids WHERE id = $1 AND now() > $2",
              "operator does not exist: uuid");
  EXPECT_EQ(count("SELECT count(*) FROM public.ids WHERE id = $1::uuid AND now() > $2",
                  "7d444840-9dc0-11d1-b245-5ffdce74fad2")
                .count,
            0);
  expect_none("SELECT $3", "supplies 2 parameters");
}

TEST_F(CountBySql, WholeNumbersOfAnyTypeAreFigures) {
  EXPECT_EQ(count("SELECT 0").count, 0);
  EXPECT_EQ(count("SELECT sum(n) FROM public.t").count, 6) << "a bigint or numeric";
  EXPECT_EQ(count("SELECT 12::numeric").count, 12);
  EXPECT_EQ(count("SELECT 9223372036854775807").count, std::numeric_limits<std::int64_t>::max());
}

TEST_F(CountBySql, AllElseIsNoFigure) {
  expect_none("SELECT 1 WHERE false", "no row");
  expect_none("SELECT n FROM public.t", "several rows");
  expect_none("SELECT sum(n) FROM public.t WHERE false", "NULL");
  for (const char* value :
       {"-1", "1.5", "12.0::numeric(4,1)", "'NaN'::float8", "'Infinity'::float8", "'many'", "''", "'+5'",
        "' 5'", "'5 '", "true", "9223372036854775808", "1e300::float8"}) {
    expect_none(std::string("SELECT ") + value, "a whole number, 0 or more, is wanted");
  }
  expect_none("SELECT count(*) FROM public.nobody WHERE $1 = '' AND $2 < now()", "does not exist");
  expect_none("SELECT count(*) FROM seen", "written with their schema");
  expect_none("no SQL", "syntax error");
}

TEST_F(CountBySql, ReadsOnlyAndUnderTheLimitsOfChecks) {
  expect_none("SELECT count(*) FROM public.t WHERE public.writes()", "read-only transaction");
  expect_none("SELECT 1; DELETE FROM public.t", "");
  EXPECT_EQ(value("SELECT count(*) FROM public.t"), "3");
  expect_none("SELECT 1 FROM pg_sleep(60)", "the query took longer than 200 ms",
              {.statement = 200ms, .lock = 2s});
  pqxx::connection other(with(""));
  pqxx::work holds(other);
  holds.exec("LOCK TABLE public.seen IN ACCESS EXCLUSIVE MODE");
  expect_none(kCounting, "waited longer than 200 ms for a lock", {.statement = 10s, .lock = 200ms});
}

}  // namespace
}  // namespace rls::checks
