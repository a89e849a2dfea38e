#pragma once
// Stands between the operator and the genuine API server, and breaks what a test wants broken: requests,
// replies and the lines of watches. TLS with a certificate of its own; HTTP/1.1; a thread for each
// connection. What the operator shows of itself is passed on, so its RBAC stays in force.

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "tests/kube/client/tls_server.hpp"

namespace rls::test {

struct ApiRequest {
  std::string method;
  std::string target;              ///< path and query
  std::string token;               ///< the bearer's; may be changed before it is passed on
  std::string client_certificate;  ///< its subject's CN; empty: none
  std::string content_type, accept;
  std::string body;

  [[nodiscard]] bool is_watch() const { return target.find("watch=true") != std::string::npos; }
  /// Without names of namespaces and objects: "PUT rlsmigrations/status", "WATCH rlsdatabases".
  [[nodiscard]] std::string kind() const;
  /// The object's name, where the path has one.
  [[nodiscard]] std::string object() const;
};

/// What becomes of a request.
struct Verdict {
  enum class What {
    pass,
    answer,      ///< by the proxy: `status`, `body`; the server never hears of it
    cut_before,  ///< the connection ends, the server never hears of it
    lose_reply,  ///< the server acts, then the connection ends
    cut_reply,   ///< the connection ends in the middle of the reply
  };
  What what = What::pass;
  int status = 0;
  std::optional<int> retry_after{};  ///< seconds
  std::string body{};

  /// A metav1.Status, as the API server would send it.
  static Verdict refusal(int status, const std::string& reason, std::optional<int> retry_after = {});
};

/// Writes to a watch's client. False: it has gone.
using SendLine = std::function<bool(const std::string& text)>;
enum class Stream {
  go_on,
  end,  ///< in good order, as after timeoutSeconds
  cut,  ///< the connection
};

class ApiProxy {
 public:
  using OnRequest = std::function<Verdict(ApiRequest&)>;
  /// Each line of a watch, with its newline; what is to reach the client goes to `send`. May sleep: what
  /// comes after it waits.
  using OnLine = std::function<Stream(const ApiRequest&, const std::string& line, const SendLine& send)>;
  /// The server's reply to what was passed on, watches excepted.
  using OnReply = std::function<void(const ApiRequest&, int status)>;

  /// `server`: "https://127.0.0.1:6443".
  explicit ApiProxy(const std::string& server);

  // Called on the connections' threads, several at a time; hold nothing that does not outlive the proxy.
  void on_request(OnRequest hook);
  void on_line(OnLine hook);
  void on_reply(OnReply hook);

  /// Another certificate from the next connection on.
  void use(rls::kube::test::Pair certificate);
  /// While it is away, connections are accepted and closed; those that stand end.
  void away(bool is_away);
  /// Ends all connections that stand.
  void cut_all();

  [[nodiscard]] std::string url() const { return "https://127.0.0.1:" + std::to_string(tcp_.port()); }
  [[nodiscard]] const rls::kube::test::TestCa& ca() const { return ca_; }

 private:
  class Wire;
  struct Reply;
  void serve(rls::kube::test::Peer& peer);
  void talk(Wire& client);
  bool pass_on(Wire& client, std::unique_ptr<Wire>& server, const ApiRequest& request, Verdict::What what);
  bool relay_watch(Wire& client, Wire& server, const ApiRequest& request);
  std::unique_ptr<Wire> connect_to_server(const rls::kube::test::Peer& peer);
  template <class Hook>
  Hook copy(const Hook& hook) const {
    const std::lock_guard lock(mutex_);
    return hook;
  }

  const int server_port_;
  const rls::kube::test::TestCa ca_{"ca of the api proxy"};
  mutable std::mutex mutex_;
  rls::kube::test::Pair own_;  // guarded by mutex_, as all below
  OnRequest on_request_;
  OnLine on_line_;
  OnReply on_reply_;
  bool away_ = false;
  std::set<int> clients_;           ///< sockets
  rls::kube::test::TcpServer tcp_;  // the last: its threads use what is above
};

}  // namespace rls::test
