#pragma once
// OpenSSL's side of a connection. Only for the transport's .cpp: the types are OpenSSL's.

#include <openssl/ssl.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "controller/kube/credentials.hpp"

namespace rls::kube {

/// Why the last TLS set-up or handshake failed; the HTTP library reports a number only. Thread-safe.
class TlsTrouble {
 public:
  void note(Error error);
  /// The note, if there is one, and forgets it.
  std::optional<Error> take();

 private:
  std::mutex mutex_;
  std::optional<Error> error_;  // guarded by mutex_
};

/// Makes `context` trust the credentials' CA only, check that the certificate is for `host`, show the
/// client's certificate, and talk TLS 1.2 or newer. Reads the files. Where anything fails, the trouble is
/// noted and the context trusts nobody: the handshake then fails. `trouble` is shared with the context's
/// life. The credentials' tls_server_name takes the place of `host`, in the check and in the handshake.
void set_up_tls(SSL_CTX* context, const std::string& host, std::shared_ptr<const Credentials> credentials,
                std::shared_ptr<TlsTrouble> trouble);

/// The part of it that checks that the certificate is for `host`, a name or an address.
void check_host(SSL_CTX* context, const std::string& host);

}  // namespace rls::kube
