#pragma once
// Transport on cpprestsdk (archived upstream, hence behind an interface: ADR 0002).

#include <memory>
#include <string>

#include "controller/base/result.hpp"
#include "controller/kube/credentials.hpp"
#include "controller/kube/transport.hpp"

namespace rls::kube {

/// Call it first thing in main, before other threads and any use of the library: gives it one thread in place
/// of forty, and keeps OpenSSL from parsing the system's roots for every connection (SSL_CERT_FILE and
/// SSL_CERT_DIR point nowhere from then on, for the whole process). Safe to call again.
void initialize_http_library();

/// One connection pool for single requests (idle timeout 30 s a stage); each stream has a connection of its
/// own, so that a stream which was broken off cannot leave half a reply in the pool. TLS 1.2 or newer, the CA
/// of the credentials and no other, the host's name checked. No redirects, no compression. Through the
/// credentials' proxy, where they have one (CONNECT).
///
/// An exec plugin of the credentials runs on a thread of the transport's, or on the one that calls `stream`;
/// requests wait for it, at most for their timeout. When the client's certificate changes or is refused, new
/// requests get new connections.
///
/// The destructor ends what is under way: each `done` that was not called yet gets the error Stopped. No call
/// may be made any more, and it must not run on the library's thread.
/// Error: InvalidServer (terminal).
Result<std::unique_ptr<Transport>> make_cpprest_transport(std::shared_ptr<Credentials> credentials);

}  // namespace rls::kube
