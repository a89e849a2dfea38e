#include "tests/support/server_tls.hpp"

#include <chrono>
#include <iostream>
#include <stdexcept>
#include <thread>

#include "tests/support/process.hpp"

namespace rls::test {
namespace {

/// A statement by which the server writes `text`, PEM, to a file that nobody else can read; relative to its
/// data.
std::string write_file(const std::string& name, const std::string& text) {
  std::string lines;
  for (const char c : text) c == '\n' ? lines += "\\n" : lines += c;
  return "COPY (SELECT 1) TO PROGRAM $sh$cat >/dev/null; umask 077; printf %b '" + lines + "' > " + name +
         "$sh$";
}

}  // namespace

ServerTls::ServerTls(std::string admin_uri, const Pair& own) : admin_uri_(std::move(admin_uri)) { use(own); }

ServerTls::~ServerTls() {
  try {
    turn_off();
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
  }
}

std::string ServerTls::sql(const std::string& statement) const {
  const Output done = run({"psql", "-qXAt", "-v", "ON_ERROR_STOP=1", admin_uri_}, statement);
  if (!done.ok()) throw std::runtime_error("the server's TLS could not be set: " + done.out);
  return done.out;
}

void ServerTls::use(const Pair& own) {
  static int count = 0;
  // Other names each time: what is in use is seen by them.
  const std::string name = "test-tls-" + std::to_string(++count);
  sql(write_file(name + ".crt", own.certificate) + ";" + write_file(name + ".key", own.key));
  sql("ALTER SYSTEM SET ssl_cert_file = '" + name + ".crt'");
  sql("ALTER SYSTEM SET ssl_key_file = '" + name + ".key'");
  sql("ALTER SYSTEM SET ssl = on");
  reload_until("current_setting('ssl') = 'on' AND current_setting('ssl_cert_file') = '" + name + ".crt'");
}

void ServerTls::turn_off() {
  sql("ALTER SYSTEM RESET ssl");
  sql("ALTER SYSTEM RESET ssl_cert_file");
  sql("ALTER SYSTEM RESET ssl_key_file");
  reload_until("current_setting('ssl') = 'off'");
}

/// Each look is a connection of its own, which has the settings that the next one will have.
void ServerTls::reload_until(const std::string& condition) const {
  sql("SELECT pg_reload_conf()");
  for (int tries = 0; tries < 2000; ++tries) {
    if (sql("SELECT " + condition) == "t\n") return;
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  }
  throw std::runtime_error("the server does not take its TLS settings; see its log");
}

}  // namespace rls::test
