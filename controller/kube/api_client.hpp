#pragma once
// The Client over any Transport; make_client (client.hpp) puts it together with the real one.

#include <memory>

#include "controller/kube/calls.hpp"
#include "controller/kube/client.hpp"
#include "controller/kube/reflector.hpp"

namespace rls::kube {

class ApiClient final : public Client {
 public:
  ApiClient(std::unique_ptr<Transport> transport, Seam& seam, ReflectorTuning tuning);
  ~ApiClient() override;

  Result<std::string> get(const Resource& resource, const api::ObjectName& name) override;
  void put_status(const Resource& resource, const api::ObjectName& name, std::string body,
                  std::function<void(Result<std::string>)> done) override;
  void create(const Resource& resource, std::string body, std::function<void(Result<void>)> done) override;
  void patch(const Resource& resource, const api::ObjectName& name, std::string merge_patch,
             std::function<void(Result<void>)> done) override;
  Result<std::string> call(Method method, const Resource& resource, const api::ObjectName& name,
                           std::string body, std::chrono::milliseconds timeout) override;
  Result<std::string> list_metadata(const Resource& resource, std::string_view labels,
                                    std::chrono::milliseconds timeout) override;
  Result<std::vector<std::string>> list(const Resource& resource, std::chrono::milliseconds timeout) override;
  Result<void> delete_object(const Resource& resource, const api::ObjectName& name, std::string_view uid,
                             std::chrono::milliseconds timeout) override;
  void list_and_watch(const Resource& resource, ObjectSink& sink, std::function<void()> synced,
                      std::stop_token stop) override;
  std::vector<RequestCount> request_counts() const override { return calls_.counts(); }

 private:
  const ReflectorTuning tuning_;
  std::unique_ptr<Transport> transport_;
  Calls calls_;
};

}  // namespace rls::kube
