#pragma once
// One connection to Postgres. Every statement passes the seam and runs under a deadline on our side.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "controller/base/seam.hpp"
#include "controller/base/time.hpp"
#include "controller/postgres/dsn.hpp"
#include "controller/postgres/errors.hpp"
#include "controller/postgres/line.hpp"

namespace rls::postgres {

/// The rows of a reply. A value is read as what its column is known to be; reading NULL is reading "" or 0.
class Rows {
 public:
  struct Impl;
  Rows();
  explicit Rows(std::unique_ptr<Impl> impl);
  ~Rows();
  Rows(Rows&&) noexcept;
  Rows& operator=(Rows&&) noexcept;

  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool is_null(std::size_t row, int column) const;
  [[nodiscard]] std::string_view text(std::size_t row, int column) const;  ///< valid as long as the Rows
  [[nodiscard]] std::int64_t integer(std::size_t row, int column) const;
  [[nodiscard]] bool boolean(std::size_t row, int column) const;
  /// A column of microseconds since 1970; none where NULL.
  [[nodiscard]] std::optional<Time> time(std::size_t row, int column) const;

 private:
  std::unique_ptr<Impl> impl_;
};

/// What came back: rows, or why there are none.
struct Reply {
  Rows rows;
  std::optional<SqlFailure> failure;
  [[nodiscard]] bool ok() const { return !failure.has_value(); }
};

/// Not thread-safe; only its Line may be cut from elsewhere. Never reconnects by itself.
class Connection {
 public:
  /// Connects to the first host that will do, each within settings.connect_timeout (name resolution apart,
  /// which is the system's). `limit` is the default deadline of a statement.
  static std::variant<std::unique_ptr<Connection>, SqlFailure> connect(const ConnectionSettings& settings,
                                                                       Seam& seam, Line& line,
                                                                       std::chrono::milliseconds limit);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// One statement with its parameters, none of them NULL. `name` is for the seam and for logs.
  Reply run(std::string_view name, std::string_view sql, std::span<const std::string> parameters = {});
  /// Several statements, all of them constant text of ours: they go out as one and come back as one.
  Reply script(std::string_view name, std::string_view sql);
  /// Like script, with a deadline of its own.
  Reply script(std::string_view name, std::string_view sql, std::chrono::milliseconds limit);

  [[nodiscard]] bool usable() const;
  void close();

 private:
  class Wire;
  Connection(std::unique_ptr<Wire> wire, Seam& seam, Line& line, std::chrono::milliseconds limit);
  template <class Call>
  Reply guarded(std::string_view name, std::chrono::milliseconds limit, const Call& call);

  Seam& seam_;
  Line& line_;
  const std::chrono::milliseconds limit_;
  std::unique_ptr<Wire> wire_;  // none once closed
  Watchdog watchdog_;
};

/// The text form of a text[] (bigint[], …) for one parameter. Elements must be without NUL.
class ArrayText {
 public:
  void add(std::string_view element);
  void add(std::int64_t element) { add(std::to_string(element)); }
  void add_null();
  [[nodiscard]] std::string take() { return std::move(text_ += '}'); }

 private:
  void separate();
  std::string text_ = "{";
};
std::string array_text(std::span<const std::string> elements);

}  // namespace rls::postgres
