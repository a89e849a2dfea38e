#pragma once
// A TLS server of a test's own: for what the real API server cannot be made to do in a test, such as another
// certificate from one connection to the next.

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "tests/kube/client/tcp_server.hpp"
#include "tests/support/certificates.hpp"

namespace rls::kube::test {

using rls::test::Pair;
using rls::test::TestCa;

/// Lets the connections of `context` show this certificate.
inline void show(SSL_CTX* context, const Pair& own) {
  BIO* bio = BIO_new_mem_buf(own.certificate.data(), static_cast<int>(own.certificate.size()));
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_certificate(context, certificate);
  X509_free(certificate);
  BIO_free(bio);
  bio = BIO_new_mem_buf(own.key.data(), static_cast<int>(own.key.size()));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_PrivateKey(context, key);
  EVP_PKEY_free(key);
  BIO_free(bio);
}

/// The CN of the client's certificate; empty: it shows none.
inline std::string client_name(SSL* tls) {
  X509* certificate = SSL_get1_peer_certificate(tls);
  if (certificate == nullptr) return {};
  std::array<char, 128> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
  X509_free(certificate);
  return name.data();
}

/// What the client said of itself in the handshake, and the head of one of its requests.
struct Heard {
  std::string server_name;         ///< SNI
  std::string client_certificate;  ///< its subject's CN; empty: none
  std::string head;
};

class TlsServer {
 public:
  /// `answer` gives the whole reply to each request. A client's certificate, of whatever CA, is taken.
  TlsServer(Pair own, std::function<std::string(const Heard&)> answer,
            const std::string& address = "127.0.0.1")
      : own_(std::move(own)),
        answer_(std::move(answer)),
        tcp_([this](Peer& peer) { serve(peer); }, address) {}

  /// From the next connection on.
  void use(Pair own) {
    const std::lock_guard lock(mutex_);
    own_ = std::move(own);
  }
  int port() const { return tcp_.port(); }
  int connections() const { return tcp_.connections(); }

 private:
  void serve(Peer& peer) {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()),
                                                                    SSL_CTX_free);
    {
      const std::lock_guard lock(mutex_);
      show(context.get(), own_);
    }
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, [](int, X509_STORE_CTX*) { return 1; });
    const std::unique_ptr<SSL, decltype(&SSL_free)> tls(SSL_new(context.get()), SSL_free);
    SSL_set_fd(tls.get(), peer.fd());
    if (SSL_accept(tls.get()) == 1) talk(peer, tls.get());
    ERR_clear_error();
    OPENSSL_thread_stop();
  }

  void talk(Peer& peer, SSL* tls) const {
    Heard heard;
    if (const char* name = SSL_get_servername(tls, TLSEXT_NAMETYPE_host_name)) heard.server_name = name;
    heard.client_certificate = client_name(tls);
    for (;;) {
      heard.head.clear();
      while (heard.head.find("\r\n\r\n") == std::string::npos) {
        std::array<char, 4096> buffer{};
        if (SSL_pending(tls) == 0 && !peer.readable()) return;
        const int count = SSL_read(tls, buffer.data(), static_cast<int>(buffer.size()));
        if (count <= 0) return;
        heard.head.append(buffer.data(), static_cast<std::size_t>(count));
      }
      const std::string reply = answer_(heard);
      SSL_write(tls, reply.data(), static_cast<int>(reply.size()));
    }
  }

  std::mutex mutex_;
  Pair own_;  // guarded by mutex_
  const std::function<std::string(const Heard&)> answer_;
  TcpServer tcp_;
};

inline std::string http_reply(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace rls::kube::test
