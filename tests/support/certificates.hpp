#pragma once
// A certificate authority of a test's own.

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <string>
#include <utility>
#include <vector>

namespace rls::test {

/// A certificate and its key, as PEM.
struct Pair {
  std::string certificate;
  std::string key;
};

/// Signs for as long as the test runs.
class TestCa {
 public:
  explicit TestCa(const std::string& name) : key_(EVP_EC_gen("P-256")) {
    certificate_ = make(name, key_, {{NID_basic_constraints, "critical,CA:TRUE"}});
  }
  ~TestCa() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;

  std::string pem() const { return pem_of(certificate_); }
  /// `san`: "DNS:name", "IP:127.0.0.1"; empty for a client.
  Pair issue(const std::string& name, const std::string& san = {}) const {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    std::vector<std::pair<int, std::string>> extensions;
    if (!san.empty()) extensions.emplace_back(NID_subject_alt_name, san);
    X509* certificate = make(name, key, extensions);
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
    Pair made{pem_of(certificate), text_of(bio)};
    X509_free(certificate);
    EVP_PKEY_free(key);
    return made;
  }

 private:
  X509* make(const std::string& name, EVP_PKEY* key,
             const std::vector<std::pair<int, std::string>>& extensions) const {
    static std::atomic<long> serial{1};
    X509* made = X509_new();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made), -60);
    X509_gmtime_adj(X509_getm_notAfter(made), 3600);
    X509_set_pubkey(made, key);
    X509_NAME* subject = X509_get_subject_name(made);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(made, certificate_ == nullptr ? subject : X509_get_subject_name(certificate_));
    for (const auto& [nid, value] : extensions) {
      X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
      X509_add_ext(made, extension, -1);
      X509_EXTENSION_free(extension);
    }
    X509_sign(made, key_, EVP_sha256());
    return made;
  }
  static std::string text_of(BIO* bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
  }
  static std::string pem_of(X509* certificate) {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    return text_of(bio);
  }

  EVP_PKEY* key_;
  X509* certificate_ = nullptr;
};

}  // namespace rls::test
