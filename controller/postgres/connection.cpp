#include "controller/postgres/connection.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <charconv>
#include <optional>
#include <pqxx/pqxx>
#include <type_traits>
#include <vector>

#include "controller/postgres/memory_file.hpp"

namespace rls::postgres {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

SqlFailure lost(std::string message) { return {.sqlstate = "", .message = std::move(message), .lost = true}; }

/// A failed attempt to connect, on its way through pqxx.
struct ConnectFailed {
  SqlFailure failure;
};

/// libpq gives no SQLSTATE of a refused connection, but prints it where it is told to be verbose:
/// `… failed: FATAL:  28P01: password authentication failed for user "x"`. The severity may be translated.
SqlFailure read_connect_message(std::string_view text) {
  const std::size_t last = text.rfind("connection to server at ");
  SqlFailure failure = lost(std::string(text.substr(last == text.npos ? 0 : last)));
  const auto is_state = [](std::string_view s) {
    return s.size() == 5 &&
           s.find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string_view::npos;
  };
  for (std::size_t at = 0; (at = text.find(":  ", at)) != std::string_view::npos; at += 3) {
    const std::string_view rest = text.substr(at + 3);
    if (rest.size() > 7 && rest.substr(5, 2) == ": " && is_state(rest.substr(0, 5))) {
      failure.sqlstate = rest.substr(0, 5);
      failure.message =
          rest.substr(7, rest.find('\n') == std::string_view::npos ? rest.npos : rest.find('\n') - 7);
    }
  }
  return failure;
}

/// Connects to one host step by step, so that it can be cut short and knows a deadline; libpq's own
/// connect_timeout cannot be interrupted.
std::variant<PGconn*, SqlFailure> connect_by_steps(const ConnectionSettings& settings,
                                                   const ConnectionParameters& parameters, Line& line) {
  std::vector<const char*> keywords, values;
  for (const auto& [keyword, value] : parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  // libpq takes a CA as a file alone, and reads it while it connects.
  std::optional<MemoryFile> ca;
  std::string ca_path;
  if (!settings.ca.empty()) {
    ca_path = ca.emplace(settings.ca).path();
    keywords.push_back("sslrootcert");
    values.push_back(ca_path.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  PGconn* const connection = PQconnectStartParams(keywords.data(), values.data(), 0);
  if (connection == nullptr) throw std::bad_alloc();
  const auto fail = [&](SqlFailure failure) {
    line.drop();
    PQfinish(connection);
    return failure;
  };
  PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);

  const auto deadline = steady_clock::now() + settings.connect_timeout;
  auto wanted = PGRES_POLLING_WRITING;
  while (wanted != PGRES_POLLING_OK) {
    if (wanted == PGRES_POLLING_FAILED || PQstatus(connection) == CONNECTION_BAD) {
      std::string message = PQerrorMessage(connection);
      if (const auto at = message.find(ca_path); ca && at != std::string::npos)
        message.replace(at, ca_path.size(), "ca.crt");
      return fail(read_connect_message(message));
    }
    line.use(PQsocket(connection));
    if (line.is_cut()) return fail(lost("interrupted"));
    if (steady_clock::now() >= deadline) {
      return fail(lost("no answer within " + std::to_string(settings.connect_timeout.count()) + " s"));
    }
    // Short waits: a cut that comes between two sockets would else be noticed at the deadline only.
    pollfd socket{.fd = PQsocket(connection),
                  .events = static_cast<short>(wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT),
                  .revents = 0};
    if (::poll(&socket, 1, 50) != 0) wanted = PQconnectPoll(connection);
  }
  line.use(PQsocket(connection));
  PQsetErrorVerbosity(connection, PQERRORS_TERSE);  // no DETAIL: it quotes rows
  return connection;
}

/// The first host that will do. Not left to libpq: it goes on to the next one only where the connection is
/// refused, not where a host takes it and says nothing, or closes it, as what stands before a dead server
/// does.
PGconn* connect_to_any(const ConnectionSettings& settings, Line& line) {
  line.begin();
  std::optional<SqlFailure> all;
  for (const ConnectionParameters& host : each_host(settings.parameters)) {
    auto connected = connect_by_steps(settings, host, line);
    if (auto* const* connection = std::get_if<PGconn*>(&connected)) return *connection;
    SqlFailure& failure = std::get<SqlFailure>(connected);
    // The last one's refusal counts; what the server itself said counts more than that nothing came.
    if (all && failure.sqlstate.empty() && !all->sqlstate.empty()) continue;
    while (failure.message.ends_with('\n')) failure.message.pop_back();
    if (all && all->sqlstate.empty()) failure.message += "; " + all->message;
    all = std::move(failure);
    if (line.is_cut()) break;
  }
  throw ConnectFailed{std::move(*all)};
}

class Policy final : public pqxx::connectionpolicy {
 public:
  Policy(const ConnectionSettings& settings, Line& line)
      : pqxx::connectionpolicy(""), settings_(settings), line_(line) {}
  handle do_startconnect(handle existing) override {
    return raw_ = existing != nullptr ? existing : connect_to_any(settings_, line_);
  }
  [[nodiscard]] handle raw() const { return raw_; }

 private:
  const ConnectionSettings& settings_;  // used while connecting only
  Line& line_;
  handle raw_ = nullptr;
};

/// The state of an error. For some of its classes pqxx drops it: the class says it then.
std::string state_of(const pqxx::sql_error& error) {
  if (!error.sqlstate().empty()) return error.sqlstate();
  const auto is = [&]<class Class>(std::type_identity<Class>) {
    return dynamic_cast<const Class*>(&error) != nullptr;
  };
  if (is(std::type_identity<pqxx::insufficient_privilege>{})) return "42501";
  if (is(std::type_identity<pqxx::undefined_table>{})) return "42P01";
  if (is(std::type_identity<pqxx::undefined_column>{})) return "42703";
  if (is(std::type_identity<pqxx::undefined_function>{})) return "42883";
  if (is(std::type_identity<pqxx::syntax_error>{})) return "42601";
  if (is(std::type_identity<pqxx::not_null_violation>{})) return "23502";
  if (is(std::type_identity<pqxx::foreign_key_violation>{})) return "23503";
  if (is(std::type_identity<pqxx::unique_violation>{})) return "23505";
  if (is(std::type_identity<pqxx::check_violation>{})) return "23514";
  if (is(std::type_identity<pqxx::integrity_constraint_violation>{})) return "23000";
  if (is(std::type_identity<pqxx::data_exception>{})) return "22000";
  if (is(std::type_identity<pqxx::disk_full>{})) return "53100";
  if (is(std::type_identity<pqxx::insufficient_resources>{})) return "53000";
  if (is(std::type_identity<pqxx::plpgsql_error>{})) return "P0001";
  if (is(std::type_identity<pqxx::feature_not_supported>{})) return "0A000";
  return "";
}

/// Runs a pqxx call. Everything it may throw becomes a SqlFailure; `lost` is judged by the caller.
template <class Call>
Reply caught(const Call& call) {
  Reply reply;
  try {
    reply.rows = Rows(call());
    return reply;
  } catch (const pqxx::statement_completion_unknown& e) {  // before its base transaction_rollback
    reply.failure = SqlFailure{"40003", e.what(), false};
  } catch (const pqxx::serialization_failure& e) {  // these are no sql_error and carry no state
    reply.failure = SqlFailure{"40001", e.what(), false};
  } catch (const pqxx::deadlock_detected& e) {
    reply.failure = SqlFailure{"40P01", e.what(), false};
  } catch (const pqxx::transaction_rollback& e) {
    reply.failure = SqlFailure{"40000", e.what(), false};
  } catch (const pqxx::too_many_connections& e) {
    reply.failure = SqlFailure{"53300", e.what(), true};
  } catch (const pqxx::broken_connection& e) {
    reply.failure = lost(e.what());
  } catch (const pqxx::in_doubt_error& e) {
    reply.failure = SqlFailure{"40003", e.what(), true};
  } catch (const pqxx::sql_error& e) {
    reply.failure = SqlFailure{state_of(e), e.what(), false};
  } catch (const std::exception& e) {
    // Out of memory, a protocol error inside libpq: nothing is known of the connection's state any more.
    reply.failure = lost(e.what());
  }
  return reply;
}

/// "ERROR:  message at character 9": the severity is said by where the message stands, the place means
/// nothing to who does not see the statement.
void strip(std::string& message) {
  while (!message.empty() && message.back() == '\n') message.pop_back();
  const std::size_t colon = message.find(":  ");
  if (colon != std::string::npos && colon <= 12) message.erase(0, colon + 3);
  const std::size_t place = message.rfind(" at character ");
  if (place != std::string::npos &&
      message.find_first_not_of("0123456789", place + 14) == std::string::npos) {
    message.erase(place);
  }
}

}  // namespace

struct Rows::Impl {
  pqxx::result result;
};
Rows::Rows() = default;
Rows::Rows(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Rows::~Rows() = default;
Rows::Rows(Rows&&) noexcept = default;
Rows& Rows::operator=(Rows&&) noexcept = default;

namespace {
pqxx::field field_of(const pqxx::result& result, std::size_t row, int column) {
  return result[static_cast<pqxx::result::size_type>(row)][static_cast<pqxx::row::size_type>(column)];
}
}  // namespace

std::size_t Rows::size() const { return impl_ ? static_cast<std::size_t>(impl_->result.size()) : 0; }

bool Rows::is_null(std::size_t row, int column) const {
  return field_of(impl_->result, row, column).is_null();
}

std::string_view Rows::text(std::size_t row, int column) const {
  const pqxx::field field = field_of(impl_->result, row, column);
  return {field.c_str(), field.size()};
}

std::int64_t Rows::integer(std::size_t row, int column) const {
  const std::string_view digits = text(row, column);
  std::int64_t value = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

bool Rows::boolean(std::size_t row, int column) const { return text(row, column) == "t"; }

std::optional<Time> Rows::time(std::size_t row, int column) const {
  if (is_null(row, column)) return std::nullopt;
  return Time{std::chrono::microseconds{integer(row, column)}};
}

/// The pqxx connection over our own way of connecting.
class Connection::Wire final : public pqxx::connection_base {
 public:
  Wire(const ConnectionSettings& settings, Line& line)
      : pqxx::connection_base(policy_), policy_(settings, line) {
    init();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    // A connection that comes back by itself would run the rest of a transaction outside of it.
    inhibit_reactivation(true);
#pragma GCC diagnostic pop
    // Notices may quote rows (RAISE NOTICE in somebody's trigger), and pqxx prints what nobody takes.
    quiet_.emplace(*this);
  }
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;
  ~Wire() {
    quiet_.reset();
    close();
  }
  [[nodiscard]] bool alive() const { return is_open() && PQstatus(policy_.raw()) == CONNECTION_OK; }

 private:
  Policy policy_;
  std::optional<pqxx::quiet_errorhandler> quiet_;
};

std::variant<std::unique_ptr<Connection>, SqlFailure> Connection::connect(const ConnectionSettings& settings,
                                                                          Seam& seam, Line& line,
                                                                          milliseconds limit) {
  const Fault fault = seam.enter(CallKind::sql, "connect");
  if (fault == Fault::fail_before) return lost("the connection failed");
  std::unique_ptr<Wire> wire;
  std::optional<SqlFailure> failure;
  try {
    wire = std::make_unique<Wire>(settings, line);
  } catch (const ConnectFailed& e) {
    failure = e.failure;
  } catch (const std::exception& e) {
    failure = lost(e.what());
  }
  if (seam.reply_lost(fault) && !failure) failure = lost("the connection failed");
  if (failure) {
    line.drop();
    return *failure;
  }
  return std::unique_ptr<Connection>(new Connection(std::move(wire), seam, line, limit));
}

Connection::Connection(std::unique_ptr<Wire> wire, Seam& seam, Line& line, milliseconds limit)
    : seam_(seam), line_(line), limit_(limit), wire_(std::move(wire)), watchdog_(line) {}

Connection::~Connection() { close(); }

void Connection::close() {
  line_.drop();
  wire_.reset();
}

bool Connection::usable() const { return wire_ != nullptr; }

template <class Call>
Reply Connection::guarded(std::string_view name, milliseconds limit, const Call& call) {
  if (!usable()) return {.rows = {}, .failure = lost("the connection is closed")};
  const Fault fault = seam_.enter(CallKind::sql, name);
  if (fault == Fault::fail_before) {
    close();
    return {.rows = {}, .failure = lost("the connection broke")};
  }
  watchdog_.arm(limit);
  Reply reply = caught([&] {
    pqxx::nontransaction statement(*wire_);
    return std::make_unique<Rows::Impl>(Rows::Impl{call(statement)});
  });
  watchdog_.disarm();
  if (seam_.reply_lost(fault)) {
    close();
    return {.rows = {}, .failure = lost("the connection broke")};
  }
  if (reply.failure) {
    strip(reply.failure->message);
    if (!wire_->alive()) reply.failure->lost = true;
    if (reply.failure->lost) close();
  }
  return reply;
}

Reply Connection::run(std::string_view name, std::string_view sql, std::span<const std::string> parameters) {
  return guarded(name, limit_, [&](pqxx::nontransaction& statement) {
    const std::vector<std::string> values(parameters.begin(), parameters.end());
    return statement.exec_params(std::string(sql), pqxx::prepare::make_dynamic_params(values));
  });
}

Reply Connection::script(std::string_view name, std::string_view sql) { return script(name, sql, limit_); }

Reply Connection::script(std::string_view name, std::string_view sql, milliseconds limit) {
  return guarded(name, limit,
                 [&](pqxx::nontransaction& statement) { return statement.exec(std::string(sql)); });
}

void ArrayText::separate() {
  if (text_.size() > 1) text_ += ',';
}

void ArrayText::add(std::string_view element) {
  separate();
  text_ += '"';
  for (const char c : element) {
    if (c == '"' || c == '\\') text_ += '\\';
    text_ += c;
  }
  text_ += '"';
}

void ArrayText::add_null() {
  separate();
  text_ += "NULL";
}

std::string array_text(std::span<const std::string> elements) {
  ArrayText array;
  for (const std::string& element : elements) array.add(element);
  return array.take();
}

}  // namespace rls::postgres
