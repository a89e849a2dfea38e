#include "controller/postgres/errors.hpp"

#include <array>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"

namespace rls::postgres {
namespace {

constexpr std::size_t kLongestMessage = 300;

struct Meaning {
  std::string_view sqlstate;  ///< a whole state, or a class of two characters; the first that fits counts
  ErrorKind kind;
  std::string_view reason;
};

/// The taxonomy. terminal: somebody has to change something; transient: the world may heal.
constexpr std::array kMeanings = {
    Meaning{"08", ErrorKind::transient, "DatabaseUnreachable"},
    Meaning{"25006", ErrorKind::transient, "NotPrimary"},  // read_only_sql_transaction
    Meaning{"25P03", ErrorKind::transient, "DatabaseUnreachable"},
    Meaning{"28", ErrorKind::transient, "AuthenticationFailed"},  // transient: the Secret may be rotated
    Meaning{"3D000", ErrorKind::transient, "DatabaseMissing"},
    Meaning{"3F000", ErrorKind::terminal, "MissingTable"},
    Meaning{"40003", ErrorKind::in_doubt, "InDoubt"},
    Meaning{"40001", ErrorKind::conflict, "SerializationFailure"},
    Meaning{"40P01", ErrorKind::conflict, "Deadlock"},
    Meaning{"42501", ErrorKind::terminal, "MissingPrivilege"},
    Meaning{"42P01", ErrorKind::terminal, "MissingTable"},
    Meaning{"42703", ErrorKind::terminal, "MissingColumn"},
    Meaning{"53100", ErrorKind::transient, "DiskFull"},
    Meaning{"53300", ErrorKind::transient, "TooManyConnections"},
    Meaning{"53", ErrorKind::transient, "OutOfResources"},
    Meaning{"55P03", ErrorKind::transient, "LockTimeout"},
    Meaning{"57014", ErrorKind::transient, "StatementTimeout"},
    Meaning{"57P03", ErrorKind::transient, "DatabaseStarting"},
    Meaning{"57P", ErrorKind::transient, "DatabaseUnreachable"},
    Meaning{"58", ErrorKind::transient, "DatabaseError"},
    Meaning{"RL", ErrorKind::terminal, "UnsupportedTable"},  // said by the functions of the managed runtime
    Meaning{"XX", ErrorKind::transient, "DatabaseError"},
};

std::string one_line(std::string_view text) {
  std::string out(text.substr(0, text.find('\n')));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return is_utf8(out) ? out : quoted(out, kLongestMessage);
}

Error make(const SqlFailure& failure, std::string message) {
  for (const Meaning& meaning : kMeanings) {
    if (failure.in_class(meaning.sqlstate)) {
      return {meaning.kind, std::string(meaning.reason), std::move(message)};
    }
  }
  if (failure.lost) return transient("DatabaseUnreachable", std::move(message));
  return terminal("DatabaseError", std::move(message));
}

bool mentions(std::string_view text, std::string_view word) {
  return text.find(word) != std::string_view::npos;
}

/// libpq says what is wrong with TLS, but not whose turn it is.
std::string_view tls_remedy(std::string_view said) {
  if (mentions(said, "certificate verify failed")) {
    return "; the CA that is trusted (key ca.crt of the Secret, or sslrootcert) did not issue the server's "
           "certificate, or one of the two has expired";
  }
  if (mentions(said, "does not match host name")) {
    return "; connect by a name that stands in the server's certificate, or have one issued for this name";
  }
  if (mentions(said, "does not support SSL")) {
    return "; turn TLS on at the server, or point the Secret at one that has it";
  }
  if (mentions(said, "root certificate file")) {
    return "; put the CA's certificate (PEM) into key ca.crt of the Secret, or correct sslrootcert";
  }
  return "";
}

}  // namespace

std::string shown(const SqlFailure& failure) {
  // Class 22 messages quote the value that does not fit: invalid input syntax for type uuid: "…".
  if (failure.in_class("22"))
    return "a value does not fit its column's type (SQLSTATE " + failure.sqlstate + ")";
  return truncated(log::redacted(one_line(failure.message)), kLongestMessage);
}

Error to_error(const SqlFailure& failure, std::string_view doing) {
  return make(failure, "cannot " + std::string(doing) + ": " + shown(failure));
}

Error to_connect_error(const SqlFailure& failure, std::string_view where) {
  const std::string said = shown(failure);
  const std::string message = "cannot connect to " + log::redacted(where) + ": " + said;
  if (!failure.sqlstate.empty()) return make(failure, message);
  if (mentions(said, "SSL") || mentions(said, "certificate"))
    return transient("TlsFailed", message + std::string(tls_remedy(said)));
  if (mentions(said, "is read-only") || mentions(said, "hot standby"))
    return transient("NotPrimary", message);
  if (mentions(said, "no password supplied")) return transient("AuthenticationFailed", message);
  return transient("DatabaseUnreachable", message);
}

bool is_rows_own(const SqlFailure& failure) {
  if (failure.lost || failure.sqlstate.empty()) return false;
  // What any statement would have met. All else is a constraint, a value, or what a trigger chose to raise: a
  // trigger may choose any state, 42501 too.
  constexpr std::array<std::string_view, 13> kGeneral = {"08", "25", "28", "3D", "3F", "40", "53",
                                                         "54", "55", "57", "58", "XX", "F0"};
  for (const std::string_view general : kGeneral) {
    if (failure.in_class(general)) return false;
  }
  return !is_stale_catalogue(failure);
}

bool took_too_long(const SqlFailure& failure) { return failure.is("57014") || failure.is("55P03"); }

bool is_stale_catalogue(const SqlFailure& failure) {
  constexpr std::array<std::string_view, 6> kStale = {"42P01", "42703", "42704", "42804", "42883", "3F000"};
  for (const std::string_view stale : kStale) {
    if (failure.is(stale)) return true;
  }
  return false;
}

}  // namespace rls::postgres
