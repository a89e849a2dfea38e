#include "controller/kube/credentials.hpp"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "controller/base/log.hpp"
#include "controller/base/text.hpp"
#include "controller/kube/kubeconfig.hpp"

namespace rls::kube {
namespace {

constexpr std::size_t kLargestFile = 1024 * 1024;

std::string trimmed(const std::string& text) {
  static constexpr const char* kBlanks = " \t\r\n";
  const auto begin = text.find_first_not_of(kBlanks);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// A header's value: anything else could forge another header.
bool is_token(const std::string& text) {
  for (const char c : text) {
    if (c <= ' ' || c > '~') return false;
  }
  return true;
}

/// The first file of a colon list that exists; the first name where none does, so that the error names it.
std::string first_existing(const std::string& list) {
  std::istringstream names(list);
  std::string first;
  for (std::string name; std::getline(names, name, ':');) {
    if (name.empty()) continue;
    std::error_code ignored;
    if (std::filesystem::exists(name, ignored)) return name;
    if (first.empty()) first = name;
  }
  return first;
}

}  // namespace

Surroundings real_surroundings() {
  Surroundings real;
  real.environment = [](const std::string& variable) -> std::optional<std::string> {
    const char* value = std::getenv(variable.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  return real;
}

Source Source::text(std::string value) {
  Source source;
  source.value_ = std::move(value);
  return source;
}

Source Source::file(std::string path) {
  Source source;
  source.path_ = std::move(path);
  return source;
}

Result<std::string> Source::read() const {
  if (path_.empty()) return value_;
  std::ifstream in(path_, std::ios::binary);
  std::string content;
  std::array<char, 4096> chunk{};
  while (in && content.size() <= kLargestFile) {
    in.read(chunk.data(), chunk.size());
    content.append(chunk.data(), static_cast<std::size_t>(in.gcount()));
  }
  // Not opened, or opened and not readable (a folder).
  if (in.bad() || (in.fail() && !in.eof())) {
    return transient("UnreadableFile", path_ + " cannot be read: check that it exists and its permissions");
  }
  if (content.empty()) return transient("UnreadableFile", path_ + " is empty");
  if (content.size() > kLargestFile) {
    return transient("UnreadableFile", path_ + " is larger than 1 MiB: it is not what is expected here");
  }
  return content;
}

Result<std::unique_ptr<Credentials>> Credentials::load(const ClientOptions& options,
                                                       const Surroundings& surroundings, const Clock& clock) {
  if (!options.kubeconfig.empty())
    return KubeconfigReader::read(options.kubeconfig, options.context, surroundings, clock);
  const std::string listed = first_existing(surroundings.environment("KUBECONFIG").value_or(""));
  if (!listed.empty()) return KubeconfigReader::read(listed, options.context, surroundings, clock);
  return in_cluster(surroundings, clock);
}

Result<std::unique_ptr<Credentials>> Credentials::in_cluster(const Surroundings& surroundings,
                                                             const Clock& clock) {
  const std::string host = surroundings.environment("KUBERNETES_SERVICE_HOST").value_or("");
  const std::string port = surroundings.environment("KUBERNETES_SERVICE_PORT").value_or("");
  if (host.empty() || port.empty()) {
    return terminal("NoCredentials",
                    "no way to the API server is known: run in a Pod (KUBERNETES_SERVICE_HOST and _PORT are "
                    "not set), set KUBECONFIG, or give --kubeconfig");
  }
  if (port.find_first_not_of("0123456789") != std::string::npos) {
    return terminal("NoCredentials",
                    "KUBERNETES_SERVICE_PORT is " + rls::quoted(port) + ": a number is expected");
  }
  std::unique_ptr<Credentials> made(new Credentials(clock));
  // The HTTP library cannot take IPv6 literals; the service's name stands in every API server's certificate.
  const bool ipv6 = host.find(':') != std::string::npos;
  made->server_ = "https://" + (ipv6 ? "kubernetes.default.svc" : host) + ":" + port;
  const std::string& dir = surroundings.service_account_dir;
  made->ca_ = Source::file(dir + "/ca.crt");
  made->token_source_ = Source::file(dir + "/token");
  const auto ns = Source::file(dir + "/namespace").read();
  if (ns && !trimmed(*ns).empty()) made->ns_ = trimmed(*ns);
  for (const Source* source : {&made->ca_, &made->token_source_}) {
    const auto content = source->read();
    if (!content) {
      return terminal("NoCredentials", "the Pod's service account: " + content.error().message +
                                           "; is automountServiceAccountToken off?");
    }
  }
  const auto proxy = made->choose_proxy({}, {}, surroundings);
  if (!proxy) return proxy.error();
  return made;
}

Result<void> Credentials::choose_proxy(const std::string& proxy_url, const std::string& field,
                                       const Surroundings& surroundings) {
  if (proxy_url.empty()) {
    auto found = proxy_from_environment(server_, surroundings.environment);
    if (!found) return found.error();
    proxy_ = *std::move(found);
  } else {
    auto parsed = parse_proxy(proxy_url, field);
    if (!parsed) return parsed.error();
    proxy_ = *std::move(parsed);
  }
  if (!proxy_) return Ok{};
  log::add_secret(proxy_->password);
  if (server_.starts_with("http://")) {
    return terminal("InvalidProxy", (field.empty() ? "the environment's proxy" : field) +
                                        ": a server without TLS is not reached through a proxy: the token "
                                        "would cross a network in the clear");
  }
  return Ok{};
}

Result<std::string> Credentials::read_token() const {
  auto read = token_source_.read();
  if (!read) return read;
  std::string token = trimmed(*read);
  if (token.empty() || !is_token(token)) {
    return transient("InvalidToken", token_source_.origin() +
                                         ": a token is expected, without blanks or control characters in it");
  }
  log::add_secret(token);
  return token;
}

Result<std::string> Credentials::token() {
  if (exec_) {
    const auto credential = exec_->current();
    if (!credential) return credential.error();
    return (*credential)->token;
  }
  if (!token_source_.given()) return std::string();
  const auto now = clock_.steady();
  {
    const std::lock_guard lock(mutex_);
    if (token_read_at_ && now - *token_read_at_ < kTokenAge) return token_;
  }
  const auto read = read_token();  // two threads may read at once; both read the same
  const std::lock_guard lock(mutex_);
  if (read) {
    token_ = *read;
  } else if (token_.empty()) {
    return read.error();
  } else {
    log::warn("kube.credentials", "the token cannot be read again, the last one is used on",
              {{"err", read.error().message}});
  }
  token_read_at_ = now;
  return token_;
}

void Credentials::token_refused() {
  ++refusals_;
  if (exec_) exec_->refused();
  const std::lock_guard lock(mutex_);
  token_read_at_.reset();
}

std::uint64_t Credentials::connection_generation() const {
  if (exec_) {
    const auto credential = exec_->current();
    return credential && !(*credential)->key.empty() ? exec_->generation() : 0;
  }
  return certificate_.given() ? refusals_.load() : 0;
}

Result<TlsMaterial> Credentials::tls() const {
  TlsMaterial material;
  for (const auto& [source, text] :
       {std::pair{&ca_, &material.ca}, std::pair{&certificate_, &material.certificate},
        std::pair{&key_, &material.key}}) {
    if (!source->given()) continue;
    auto read = source->read();
    if (!read) return read.error();
    *text = std::move(*read);
  }
  if (exec_) {
    const auto credential = exec_->current();
    if (!credential) return credential.error();
    material.certificate = (*credential)->certificate;
    material.key = (*credential)->key;
  }
  if (!material.key.empty()) log::add_secret(material.key);
  return material;
}

}  // namespace rls::kube
