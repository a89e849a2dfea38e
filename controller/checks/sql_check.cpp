#include "controller/checks/sql_check.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/postgres/connection.hpp"

namespace rls::checks {
namespace {

constexpr std::size_t kLongestQuery = 64 * 1024;
constexpr std::size_t kLongestShown = 100;  ///< characters of a value
/// The server ends what takes too long; when it does not, it is gone.
constexpr std::chrono::seconds kGrace{3};

/// A semicolon at the end is how people end a query.
std::string_view trimmed(std::string_view query) {
  const std::size_t last = query.find_last_not_of("; \t\r\n");
  return query.substr(0, last == query.npos ? 0 : last + 1);
}

/// At most two rows and a piece of the value are sent, however much the query finds. The query stands on
/// lines of its own, so that it may end in a comment. Parameters with a type get it before the query is read;
/// the others are used after it, as each must be somewhere, and the query says first of what type they are.
std::string statement(const SqlQuestion& question) {
  const std::size_t enough = std::max(question.longest, kLongestShown) + 1;
  std::string types, used;
  for (std::size_t i = 0; i < question.parameters.size(); ++i) {
    const std::string name = "$" + std::to_string(i + 1);
    if (question.parameters[i].type.empty()) {
      used += (used.empty() ? " WHERE CAST(" : " AND CAST(") + name + " AS pg_catalog.text) IS NOT NULL";
    } else {
      types += (types.empty() ? "(SELECT " : ", ") + name + "::pg_catalog.";
      types += question.parameters[i].type;
    }
  }
  if (!types.empty()) types += ") AS parameters, ";
  return "SELECT pg_catalog.left(CAST(q.first_column AS pg_catalog.text), " + std::to_string(enough) +
         "), pg_catalog.pg_typeof(q.first_column)::pg_catalog.oid OPERATOR(pg_catalog.=) 16 FROM " + types +
         "(\n" + std::string(trimmed(question.query)) + "\n) AS q(first_column)" + used + " LIMIT 2";
}

bool is_expected(std::string_view value, bool boolean, std::string_view expect) {
  if (value == expect) return true;
  return boolean && expect.size() == 1 && value.starts_with(expect);
}

std::variant<SqlAnswer, Outcome> read(const postgres::Rows& rows) {
  if (rows.size() == 0) return unknown("the query gave no row; exactly one is wanted");
  if (rows.size() > 1) return unknown("the query gave several rows; exactly one is wanted");
  if (rows.is_null(0, 0)) return unknown("the query gave NULL, which says nothing");
  return SqlAnswer{std::string(rows.text(0, 0)), rows.boolean(0, 1)};
}

/// What the server refuses is an answer; what it could not do this time is none.
Outcome from_error(Error error) {
  if (error.kind == ErrorKind::terminal) return unknown(std::move(error.message));
  return unheard(std::move(error.message));
}

Outcome from_failure(const postgres::SqlFailure& failure, const SqlLimits& limits) {
  const std::string took = "the query took longer than ";
  if (failure.is("57014")) return unheard(took + std::to_string(limits.statement.count()) + " ms");
  if (failure.is("55P03")) {
    return unheard("the query waited longer than " + std::to_string(limits.lock.count()) + " ms for a lock");
  }
  Error error = postgres::to_error(failure, "run the query");
  if (failure.is("25006")) return unknown(std::move(error.message));  // it would have written
  if (failure.is("42601")) error.message += "; one SELECT is wanted, and nothing after it";
  if (failure.is("42P01") || failure.is("42883") || failure.is("42704")) {
    error.message += "; names of other schemas than pg_catalog are written with their schema";
  }
  return from_error(std::move(error));
}

std::string begin(const SqlLimits& limits) {
  const std::string statement_ms = std::to_string(limits.statement.count());
  return "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL search_path TO pg_catalog, pg_temp; "
         "SET LOCAL lock_timeout = " +
         std::to_string(limits.lock.count()) + "; SET LOCAL statement_timeout = " + statement_ms +
         "; SET LOCAL idle_in_transaction_session_timeout = " + statement_ms;
}

std::variant<SqlAnswer, Outcome> ask(postgres::Connection& connection, const SqlQuestion& question,
                                     const SqlLimits& limits) {
  if (const postgres::Reply begun = connection.script("check_begin", begin(limits)); !begun.ok()) {
    return from_error(postgres::to_error(*begun.failure, "begin a read-only transaction"));
  }
  std::vector<std::string> values;
  for (const SqlQuestion::Parameter& parameter : question.parameters) values.push_back(parameter.value);
  const postgres::Reply reply = connection.run("check", statement(question), values);
  std::variant<SqlAnswer, Outcome> answer;
  if (reply.ok()) {
    answer = read(reply.rows);
  } else {
    answer = from_failure(*reply.failure, limits);
  }
  // The connection's end does it, too, but through a pooler only some time later.
  if (connection.usable()) (void)connection.script("check_rollback", "ROLLBACK");
  return answer;
}

}  // namespace

std::string shown_value(std::string_view value) {
  const std::string clean = log::redacted(value);
  std::size_t end = 0;
  for (std::size_t count = 0; end < clean.size(); ++end) {
    if ((clean[end] & 0xC0) != 0x80 && ++count > kLongestShown)
      return rls::quoted(clean.substr(0, end) + "…", 1024);
  }
  return rls::quoted(clean, 1024);
}

std::variant<SqlAnswer, Outcome> ask_sql(const SqlQuestion& question,
                                         const postgres::ConnectionSettings& settings, Seam& seam,
                                         const std::stop_token& stop, const SqlLimits& limits) {
  const std::string_view query = question.query;
  if (trimmed(query).empty()) return unknown("the query is empty");
  if (query.size() > kLongestQuery) return unknown("the query is longer than 64 KiB");
  if (query.find('\0') != query.npos) return unknown("the query holds a NUL byte");
  if (stop.stop_requested()) return unheard("stopped");
  postgres::Line line;
  const std::stop_callback cut(stop, [&line] { line.cut(); });
  auto connected = postgres::Connection::connect(settings, seam, line, limits.statement + kGrace);
  if (const auto* failure = std::get_if<postgres::SqlFailure>(&connected)) {
    return from_error(postgres::to_connect_error(*failure, settings.where));
  }
  return ask(*std::get<0>(connected), question, limits);
}

Outcome run_sql_check(const api::SqlCheck& check, const std::string& project,
                      const postgres::ConnectionSettings& settings, Seam& seam, const std::stop_token& stop,
                      const SqlLimits& limits) {
  const std::string expect = check.expect.empty() ? "true" : check.expect;
  const auto answer = ask_sql({.query = check.query, .parameters = {{"", project}}, .longest = expect.size()},
                              settings, seam, stop, limits);
  if (const auto* none = std::get_if<Outcome>(&answer)) return *none;
  const auto& [value, boolean] = std::get<SqlAnswer>(answer);
  if (is_expected(value, boolean, expect)) return passed("the query gave " + shown_value(value));
  return failed("the query gave " + shown_value(value) + "; " + shown_value(expect) + " is expected");
}

}  // namespace rls::checks
