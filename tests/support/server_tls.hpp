#pragma once
// TLS on the genuine PostgreSQL server of the test run, by what a superuser may do in SQL: so wherever it
// runs.

#include <string>

#include "tests/support/certificates.hpp"

namespace rls::test {

/// TLS is on while this lives, and off afterwards. For all who use the server, so one at a time; a new
/// connection sees a change at once.
class ServerTls {
 public:
  /// `admin_uri`: of a superuser.
  ServerTls(std::string admin_uri, const Pair& own);
  ~ServerTls();
  ServerTls(const ServerTls&) = delete;
  ServerTls& operator=(const ServerTls&) = delete;

  /// Another certificate from now on.
  void use(const Pair& own);
  void turn_off();

 private:
  std::string sql(const std::string& statement) const;
  void reload_until(const std::string& condition) const;

  std::string admin_uri_;
};

}  // namespace rls::test
