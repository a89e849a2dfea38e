#include "controller/kube/tls.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>

#include <array>

namespace rls::kube {
namespace {

template <auto free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Store = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;

Bio open(const std::string& text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

Certificate next_certificate(BIO* bio) {
  return Certificate(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
}

/// Never asks a terminal for a passphrase.
int no_passphrase(char*, int, int, void*) { return 0; }

/// False: no certificate in it.
bool trust_only(SSL_CTX* context, const std::string& pem) {
  Store store(X509_STORE_new());
  const Bio bio = open(pem);
  unsigned count = 0;
  for (Certificate each; (each = next_certificate(bio.get()));) {
    X509_STORE_add_cert(store.get(), each.get());
    ++count;
  }
  ERR_clear_error();  // the end of the text is an error to OpenSSL
  SSL_CTX_set_cert_store(context, store.release());
  return count != 0;
}

/// Certificate, then its intermediates, then the key.
bool show(SSL_CTX* context, const std::string& certificates, const std::string& key_pem) {
  const Bio bio = open(certificates);
  const Certificate own = next_certificate(bio.get());
  if (!own || SSL_CTX_use_certificate(context, own.get()) != 1) return false;
  for (Certificate each; (each = next_certificate(bio.get()));) {
    if (SSL_CTX_add0_chain_cert(context, each.get()) != 1) return false;
    (void)each.release();
  }
  ERR_clear_error();
  const Bio key_bio = open(key_pem);
  const Key key(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, no_passphrase, nullptr));
  return key && SSL_CTX_use_PrivateKey(context, key.get()) == 1 && SSL_CTX_check_private_key(context) == 1;
}

/// What the verification needs. The connection may outlive the transport, so the context owns it.
struct Held {
  std::shared_ptr<const Credentials> credentials;
  std::shared_ptr<TlsTrouble> trouble;
  bool unusable = false;  ///< the trouble is ours and has been noted: that nobody is trusted follows from it
};

int held_index() {
  static const int index = CRYPTO_get_ex_new_index(
      CRYPTO_EX_INDEX_SSL_CTX, 0, nullptr, nullptr, nullptr,
      [](void*, void* held, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<Held*>(held); });
  return index;
}

/// OpenSSL's verification as it is, but for noting why it failed.
int verify(X509_STORE_CTX* chain, void* argument) {
  const Held& held = *static_cast<Held*>(argument);
  // The library's own check would look for the address in the certificate; ours (check_host) knows better.
  if (!held.credentials->tls_server_name().empty()) {
    X509_STORE_CTX_set_verify_cb(chain, [](int good, X509_STORE_CTX*) { return good; });
  }
  const int good = X509_verify_cert(chain);
  if (good == 1) return good;
  if (held.unusable) return good;
  const int code = X509_STORE_CTX_get_error(chain);
  const std::string why = code == X509_V_OK ? "its name or address is not in the certificate"
                                            : X509_verify_cert_error_string(code);
  held.trouble->note(
      transient("CertificateNotTrusted",
                "TLS to " + held.credentials->server() + ": the server's certificate is not trusted: " + why +
                    ". The CA is from " + held.credentials->ca_origin() +
                    ": check that it is this cluster's and that the server's address is in its certificate"));
  return good;
}

/// Says tls-server-name in the handshake, in place of what the library says. At a handshake's start, as only
/// the connection has it, and that is the library's.
void say_server_name(const SSL* connection, int where, int) {
  if ((where & SSL_CB_HANDSHAKE_START) == 0) return;
  const auto* held = static_cast<Held*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), held_index()));
  const std::string& name = held->credentials->tls_server_name();
  std::array<unsigned char, 16> address{};
  const bool literal = inet_pton(AF_INET, name.c_str(), address.data()) == 1;
  const char* const said = literal ? nullptr : name.c_str();
  SSL_set_tlsext_host_name(const_cast<SSL*>(connection), const_cast<char*>(said));
}

}  // namespace

void TlsTrouble::note(Error error) {
  const std::lock_guard lock(mutex_);
  error_ = std::move(error);
}

std::optional<Error> TlsTrouble::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(error_, std::nullopt);
}

void check_host(SSL_CTX* context, const std::string& host) {
  X509_VERIFY_PARAM* rules = SSL_CTX_get0_param(context);
  // As Go's TLS does it: what the CA file holds is trusted, be it a root or an intermediate.
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_PARTIAL_CHAIN);
  std::array<unsigned char, 16> address{};
  if (inet_pton(AF_INET, host.c_str(), address.data()) == 1) {
    X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str());
  } else {
    X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    X509_VERIFY_PARAM_set1_host(rules, host.data(), host.size());
  }
}

void set_up_tls(SSL_CTX* context, const std::string& host, std::shared_ptr<const Credentials> credentials,
                std::shared_ptr<TlsTrouble> trouble) {
  auto* const held = new Held{std::move(credentials), std::move(trouble)};
  SSL_CTX_set_ex_data(context, held_index(), held);  // deletes it with the context
  SSL_CTX_set_cert_verify_callback(context, verify, held);
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  const std::string& other_name = held->credentials->tls_server_name();
  check_host(context, other_name.empty() ? host : other_name);
  if (!other_name.empty()) SSL_CTX_set_info_callback(context, say_server_name);

  const auto unusable = [&](const std::string& what) {
    held->trouble->note(
        transient("InvalidTlsMaterial", "TLS to " + held->credentials->server() + ": " + what));
    trust_only(context, {});
    held->unusable = true;
  };
  const auto material = held->credentials->tls();
  if (!material) {
    unusable(material.error().message);
  } else if (!trust_only(context, material->ca)) {
    unusable("there is no PEM certificate in the CA (" + held->credentials->ca_origin() + ")");
  } else if (!material->key.empty() && !show(context, material->certificate, material->key)) {
    unusable("the client certificate and its key cannot be read or do not belong together");
  }
  ERR_clear_error();
}

}  // namespace rls::kube
