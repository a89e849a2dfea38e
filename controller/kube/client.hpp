#pragma once
// The Kubernetes API as the operator uses it: reading and writing single objects, lists and watches.
// Every call goes through the Seam. Thread-safe.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "controller/api/object.hpp"
#include "controller/base/result.hpp"
#include "controller/base/seam.hpp"
#include "controller/kube/transport.hpp"

namespace rls::kube {

/// A collection: group/version and plural. `ns` empty: all namespaces.
struct Resource {
  std::string group_version;  ///< "v1", "rls-operator.dev/v1alpha1"
  std::string plural;         ///< "rlsmigrations"
  std::string ns;

  [[nodiscard]] std::string path() const;                        ///< of the collection
  [[nodiscard]] std::string path(const api::ObjectName&) const;  ///< of one object, percent-encoded
};

/// Takes what a list and a watch bring. Called by one thread at a time. Texts live only during the call.
class ObjectSink {
 public:
  virtual ~ObjectSink() = default;
  virtual void relist_begin() = 0;
  virtual void relist_item(std::string_view object_json) = 0;
  virtual void relist_commit() = 0;                        ///< swap: what did not come in this list is gone
  virtual void relist_abort() = 0;                         ///< cut mid-page: forget what came since begin
  virtual void applied(std::string_view object_json) = 0;  ///< ADDED or MODIFIED
  virtual void deleted(std::string_view object_json) = 0;
};

/// Requests that were made, for rest_client_requests_total. Code 0: no reply came.
struct RequestCount {
  std::string method;
  int code = 0;
  std::uint64_t count = 0;
};

class Client {
 public:
  virtual ~Client() = default;

  /// One object's JSON. Errors: NotFound (terminal), Forbidden (terminal, names the RBAC rule that is
  /// missing), Unauthorized (transient: the token is read again), InvalidName (terminal: no call was made),
  /// others transient. A lost connection is tried once more. Blocks; not in a `done`.
  virtual Result<std::string> get(const Resource& resource, const api::ObjectName& name) = 0;

  /// PUTs `body` to /status; `done` is called once on a library thread and must not block.
  /// Errors: Conflict (conflict: the resourceVersion is stale), NotFound (terminal), Invalid (terminal: our
  /// bug, the message is the server's), TooManyRequests (transient; with retry_after where the server asks
  /// for a pause), others transient. On success: the new resourceVersion.
  virtual void put_status(const Resource& resource, const api::ObjectName& name, std::string body,
                          std::function<void(Result<std::string>)> done) = 0;

  /// POSTs an object (Events). Same rules; a name that is taken is AlreadyExists (conflict): after a lost
  /// reply that may be our own.
  virtual void create(const Resource& resource, std::string body, std::function<void(Result<void>)> done) = 0;

  /// PATCHes one object with an RFC 7386 merge patch (a repeated Event's series). Same rules as `create`;
  /// NotFound is terminal. Without a resourceVersion in the patch it is applied to whatever stands there:
  /// only for what may be applied twice.
  virtual void patch(const Resource& resource, const api::ObjectName& name, std::string merge_patch,
                     std::function<void(Result<void>)> done) = 0;

  enum class Method { get, post, put };
  /// One call and no second try, for the Lease: whoever renews must hear in time that it failed. Blocks for
  /// `timeout` at most. `name` with POST: only its namespace counts. A PUT's body holds the resourceVersion.
  /// The reply's JSON; errors as of `get` and `create` (Conflict, AlreadyExists).
  virtual Result<std::string> call(Method method, const Resource& resource, const api::ObjectName& name,
                                   std::string body, std::chrono::milliseconds timeout) = 0;

  /// The metadata of all objects of `resource` that have the labels (a selector as of kubectl, "a=b,c=d"):
  /// the JSON of a PartialObjectMetadataList. One reply and no pages: only for selectors that few objects
  /// fit. Blocks for `timeout` at most. Errors as of `get`.
  virtual Result<std::string> list_metadata(const Resource& resource, std::string_view labels,
                                            std::chrono::milliseconds timeout) = 0;

  /// The JSON of all objects of `resource`, page by page and whole: for a person who waits, not for caches.
  /// Blocks for `timeout` a page at most. Errors as of `get`; ResourceNotInstalled (terminal) where the API
  /// server does not know the kind; Expired (transient) where it changed too much between two pages.
  virtual Result<std::vector<std::string>> list(const Resource& resource,
                                                std::chrono::milliseconds timeout) = 0;

  /// Deletes one object, and in the background what it owns, where it still is the one with this `uid`.
  /// Blocks for `timeout` at most. Errors as of `get`; Conflict (conflict): the name is another object's now.
  virtual Result<void> delete_object(const Resource& resource, const api::ObjectName& name,
                                     std::string_view uid, std::chrono::milliseconds timeout) = 0;

  /// Lists in pages and then watches, for ever, until `stop`: relist on 410, resume elsewhere, bookmarks,
  /// backoff with jitter, Retry-After. `synced` is called after each relist_commit. Blocks; give it a thread
  /// of its own. The sink is called on that thread for lists and on the library's for watch events, never at
  /// the same time, and never after the return: it must not block or make calls that wait. A missing RBAC
  /// rule and a missing CRD are logged once and tried again.
  virtual void list_and_watch(const Resource& resource, ObjectSink& sink, std::function<void()> synced,
                              std::stop_token stop) = 0;

  /// All requests so far; a watch counts when it ends.
  [[nodiscard]] virtual std::vector<RequestCount> request_counts() const { return {}; }
};

/// Where the API server is and who we are. In this order: `kubeconfig` (a path) with `context` (empty: its
/// current one) where given; $KUBECONFIG; the service account of the Pod. Errors name the file, the field and
/// the remedy.
struct ClientOptions {
  std::string kubeconfig;
  std::string context;
  /// Between two lists of a collection at most, whatever its watch tells.
  std::chrono::milliseconds relist_interval{600'000};
};
/// Errors are terminal. The client's destructor ends what is under way (each `done` gets the error Stopped);
/// list_and_watch must have returned. `seam` outlives the client. See initialize_http_library
/// (cpprest_transport.hpp), which main calls first.
Result<std::unique_ptr<Client>> make_client(const ClientOptions& options, Seam& seam);

/// The namespace that the credentials name (service account's file, or the context's), or "default".
std::string default_namespace(const ClientOptions& options);

}  // namespace rls::kube
