#include "controller/kube/api_client.hpp"

#include <cassert>

#include "controller/api/json_writer.hpp"
#include "controller/base/text.hpp"
#include "controller/kube/cpprest_transport.hpp"
#include "controller/kube/credentials.hpp"
#include "controller/kube/status_error.hpp"
#include "controller/kube/uri.hpp"
#include "controller/kube/watch_decoder.hpp"

namespace rls::kube {
namespace {

/// The server leaves spec and status out of its reply to a write: nobody would read them.
constexpr const char* kMetadataOnly =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

constexpr const char* kMetadataList =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

std::optional<Error> bad_name(const Resource& resource, const api::ObjectName& name) {
  if (is_path_segment(name.name) && (name.ns.empty() || is_path_segment(name.ns))) return std::nullopt;
  return terminal("InvalidName", resource.plural + " cannot be named " + rls::quoted(name.str()));
}

/// Two replies are looked for: the connection broke (worth one more try at once), or anything else.
bool connection_broke(const Result<Response>& result) {
  return !result && result.error().reason == "ConnectionLost";
}

}  // namespace

ApiClient::ApiClient(std::unique_ptr<Transport> transport, Seam& seam, ReflectorTuning tuning)
    : tuning_(std::move(tuning)), transport_(std::move(transport)), calls_(*transport_, seam) {}

// The transport answers what is under way when it goes, and those answers are still counted by calls_.
ApiClient::~ApiClient() { transport_.reset(); }

Result<std::string> ApiClient::get(const Resource& resource, const api::ObjectName& name) {
  assert(!transport_->on_library_thread());
  if (auto bad = bad_name(resource, name)) return *bad;
  Request request;
  request.path = resource.path(name);
  request.what = "GET " + resource.plural;
  auto reply = calls_.wait(request, {});
  // Pooled connections die of idleness; a read may be repeated.
  if (connection_broke(reply)) reply = calls_.wait(std::move(request), {});
  if (!reply) return reply.error();
  if (is_success(reply->status)) return std::move(reply->body);
  return status_error(std::move(*reply), {"get", resource.group_version, resource.plural, name.ns});
}

void ApiClient::put_status(const Resource& resource, const api::ObjectName& name, std::string body,
                           std::function<void(Result<std::string>)> done) {
  if (auto bad = bad_name(resource, name)) {
    return transport_->post([error = *bad, done = std::move(done)] { done(error); });
  }
  const std::string subresource = resource.plural + "/status";
  Request request;
  request.method = "PUT";
  request.path = resource.path(name) + "/status";
  request.content_type = "application/json";
  request.accept = kMetadataOnly;
  request.body = std::move(body);
  request.what = "PUT " + subresource;
  calls_.start(std::move(request), [done = std::move(done), group_version = resource.group_version,
                                    subresource, ns = name.ns](Result<Response> reply) {
    if (!reply) return done(reply.error());
    if (is_success(reply->status)) return done(decode_resource_version(reply->body));
    done(status_error(std::move(*reply), {"update", group_version, subresource, ns}));
  });
}

void ApiClient::create(const Resource& resource, std::string body, std::function<void(Result<void>)> done) {
  Request request;
  request.method = "POST";
  request.path = resource.path();
  request.content_type = "application/json";
  request.accept = kMetadataOnly;
  request.body = std::move(body);
  request.what = "POST " + resource.plural;
  calls_.start(std::move(request), [done = std::move(done), resource](Result<Response> reply) {
    if (!reply) return done(reply.error());
    if (is_success(reply->status)) return done(Ok{});
    done(status_error(std::move(*reply), {"create", resource.group_version, resource.plural, resource.ns}));
  });
}

void ApiClient::patch(const Resource& resource, const api::ObjectName& name, std::string merge_patch,
                      std::function<void(Result<void>)> done) {
  if (auto bad = bad_name(resource, name)) {
    return transport_->post([error = *bad, done = std::move(done)] { done(error); });
  }
  Request request;
  request.method = "PATCH";
  request.path = resource.path(name);
  request.content_type = "application/merge-patch+json";
  request.accept = kMetadataOnly;
  request.body = std::move(merge_patch);
  request.what = "PATCH " + resource.plural;
  calls_.start(std::move(request), [done = std::move(done), resource](Result<Response> reply) {
    if (!reply) return done(reply.error());
    if (is_success(reply->status)) return done(Ok{});
    done(status_error(std::move(*reply), {"patch", resource.group_version, resource.plural, resource.ns}));
  });
}

Result<std::string> ApiClient::call(Method method, const Resource& resource, const api::ObjectName& name,
                                    std::string body, std::chrono::milliseconds timeout) {
  assert(!transport_->on_library_thread());
  if (auto bad = bad_name(resource, name)) return *bad;
  Request request;
  const char* verb = "get";
  request.path = resource.path(name);
  switch (method) {
    case Method::get: break;
    case Method::post:
      request.method = "POST";
      request.path = Resource{resource.group_version, resource.plural, name.ns}.path();
      verb = "create";
      break;
    case Method::put:
      request.method = "PUT";
      verb = "update";
      break;
  }
  if (!body.empty()) request.content_type = "application/json";
  request.body = std::move(body);
  request.timeout = timeout;
  request.what = request.method + " " + resource.plural;
  auto reply = calls_.wait(std::move(request), {});
  if (!reply) return reply.error();
  if (is_success(reply->status)) return std::move(reply->body);
  return status_error(std::move(*reply), {verb, resource.group_version, resource.plural, name.ns});
}

Result<std::string> ApiClient::list_metadata(const Resource& resource, std::string_view labels,
                                             std::chrono::milliseconds timeout) {
  assert(!transport_->on_library_thread());
  Request request;
  request.path = resource.path() + "?labelSelector=" + percent_encoded(labels);
  request.accept = kMetadataList;
  request.timeout = timeout;
  request.what = "GET " + resource.plural;
  auto reply = calls_.wait(std::move(request), {});
  if (!reply) return reply.error();
  if (is_success(reply->status)) return std::move(reply->body);
  return status_error(std::move(*reply), {"list", resource.group_version, resource.plural, resource.ns});
}

Result<std::vector<std::string>> ApiClient::list(const Resource& resource,
                                                 std::chrono::milliseconds timeout) {
  assert(!transport_->on_library_thread());
  std::vector<std::string> objects;
  std::string continue_token;
  do {
    Request request;
    request.path = resource.path() + "?limit=" + std::to_string(tuning_.page_limit);
    if (!continue_token.empty()) request.path += "&continue=" + percent_encoded(continue_token);
    request.timeout = timeout;
    request.what = "LIST " + resource.plural;
    auto reply = calls_.wait(std::move(request), {});
    if (!reply) return reply.error();
    if (!is_success(reply->status)) {
      Error error =
          status_error(std::move(*reply), {"list", resource.group_version, resource.plural, resource.ns});
      return error.reason == "NotFound" ? resource_not_installed(resource, error) : error;
    }
    const auto page = decode_list_page(reply->body);
    if (!page) return page.error();
    for (const std::string_view item : page->items) objects.emplace_back(item);
    continue_token = page->continue_token;
  } while (!continue_token.empty());
  return objects;
}

Result<void> ApiClient::delete_object(const Resource& resource, const api::ObjectName& name,
                                      std::string_view uid, std::chrono::milliseconds timeout) {
  assert(!transport_->on_library_thread());
  if (auto bad = bad_name(resource, name)) return *bad;
  api::JsonWriter options;
  options.begin_object();
  options.member("apiVersion", "v1");
  options.member("kind", "DeleteOptions");
  options.member("propagationPolicy", "Background");
  options.key("preconditions").begin_object();
  options.member("uid", uid);
  options.end_object().end_object();
  Request request;
  request.method = "DELETE";
  request.path = resource.path(name);
  request.content_type = "application/json";
  request.body = options.take();
  request.timeout = timeout;
  request.what = "DELETE " + resource.plural;
  auto reply = calls_.wait(std::move(request), {});
  if (!reply) return reply.error();
  if (is_success(reply->status)) return Ok{};
  return status_error(std::move(*reply), {"delete", resource.group_version, resource.plural, name.ns});
}

void ApiClient::list_and_watch(const Resource& resource, ObjectSink& sink, std::function<void()> synced,
                               std::stop_token stop) {
  assert(!transport_->on_library_thread());
  Reflector(calls_, resource, sink, std::move(synced), tuning_).run(stop);
}

Result<std::unique_ptr<Client>> make_client(const ClientOptions& options, Seam& seam) {
  static const SystemClock clock;  // outlives every connection that may still ask for a token
  auto credentials = Credentials::load(options, real_surroundings(), clock);
  if (!credentials) return credentials.error();
  auto transport = make_cpprest_transport(std::move(*credentials));
  if (!transport) return transport.error();
  ReflectorTuning tuning = real_tuning();
  tuning.relist = options.relist_interval;
  return std::unique_ptr<Client>(std::make_unique<ApiClient>(std::move(*transport), seam, std::move(tuning)));
}

std::string default_namespace(const ClientOptions& options) {
  const SystemClock clock;
  const auto credentials = Credentials::load(options, real_surroundings(), clock);
  return credentials ? (*credentials)->ns() : "default";
}

}  // namespace rls::kube
