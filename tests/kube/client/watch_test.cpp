// Lists and watches against a real API server.

#include "tests/kube/client/real_server.hpp"

namespace rls::kube::test {
namespace {

using Objects = std::map<std::string, std::string>;

bool has(const Objects& objects, const std::string& name, const std::string& text) {
  const auto found = objects.find(name);
  return found != objects.end() && found->second.find(text) != std::string::npos;
}

TEST_F(RealServer, ListComesInPages) {
  std::string all;
  for (int i = 0; i < 260; ++i) {
    all += "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: map-" + std::to_string(i) +
           ", namespace: " + ns_ + "}\n";
  }
  apply(all);
  const auto it = client();
  RememberingSink sink;
  Watching watching(*it, config_maps(), sink);
  EXPECT_TRUE(sink.comes_to([](const Objects& objects) { return objects.size() >= 260; }));
  EXPECT_EQ(sink.events(), 0) << "all of it came by the list";
  EXPECT_GE(seam_.calls(), 2U) << "260 objects are two pages";
  watching.stop();
}

TEST_F(RealServer, WatchBringsWhatChanges) {
  make_config_map("first", "one");
  const auto it = client();
  RememberingSink sink;
  Watching watching(*it, config_maps(), sink);
  ASSERT_TRUE(sink.comes_to([](const Objects& o) { return has(o, "first", "\"key\":\"one\""); }));

  make_config_map("second", "two");
  EXPECT_TRUE(sink.comes_to([](const Objects& o) { return has(o, "second", "\"key\":\"two\""); }));
  make_config_map("first", "three");
  EXPECT_TRUE(sink.comes_to([](const Objects& o) { return has(o, "first", "\"key\":\"three\""); }));
  kubectl("delete configmap second -n " + ns_);
  EXPECT_TRUE(sink.comes_to([](const Objects& o) { return o.count("second") == 0; }));
  EXPECT_EQ(sink.relists(), 1);
  watching.stop();
}

TEST_F(RealServer, ClosedWatchIsResumedWithoutARelist) {
  ReflectorTuning tuning = real_tuning();
  tuning.watch_least = tuning.watch_most = 2;  // seconds, then the server closes
  const auto it = client(tuning);
  RememberingSink sink;
  Watching watching(*it, config_maps(), sink);
  ASSERT_TRUE(sink.relists_reach(1));
  const auto calls = seam_.calls();
  while (seam_.calls() < calls + 2) std::this_thread::sleep_for(50ms);
  make_config_map("late", "new");
  EXPECT_TRUE(sink.comes_to([](const Objects& o) { return has(o, "late", "new"); }));
  EXPECT_EQ(sink.relists(), 1);
  watching.stop();
}

TEST_F(RealServer, RelistRemovesWhatIsGone) {
  make_config_map("stays", "x");
  make_config_map("goes", "x");
  const auto it = client();
  RememberingSink sink;
  {
    Watching watching(*it, config_maps(), sink);
    ASSERT_TRUE(sink.comes_to([](const Objects& o) { return o.count("goes") == 1; }));
    watching.stop();
  }
  kubectl("delete configmap goes -n " + ns_);
  Watching watching(*it, config_maps(), sink);
  EXPECT_TRUE(sink.comes_to([](const Objects& o) { return o.count("goes") == 0 && o.count("stays") == 1; }));
  EXPECT_EQ(sink.relists(), 2);
  watching.stop();
}

TEST_F(RealServer, SilentWatchStopsAtOnce) {
  const auto it = client();
  RememberingSink sink;
  Watching watching(*it, config_maps(), sink);
  ASSERT_TRUE(sink.relists_reach(1));
  // The watch is open and brings nothing, for up to five minutes.
  EXPECT_TRUE(eventually([&] { return seam_.calls() >= 2; }));
  std::this_thread::sleep_for(300ms);
  EXPECT_LT(watching.stop(), 60s);
}

/// Not by kubectl's own waiting: it sometimes goes on for minutes after the kind is gone.
void remove_gadgets() {
  const std::string crd = "crd gadgets.clienttest.rls-operator.dev --ignore-not-found";
  kubectl("delete " + crd + " --wait=false");
  EXPECT_TRUE(eventually([&] { return kubectl("get " + crd).empty(); }));
}

/// A kind of our own, whose history begins only now.
void install_gadgets() {
  apply(R"(apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.clienttest.rls-operator.dev}
spec:
  group: clienttest.rls-operator.dev
  scope: Namespaced
  names: {plural: gadgets, singular: gadget, kind: Gadget}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
)");
}

TEST_F(RealServer, OldResourceVersionIsExpired) {
  static const SystemClock clock;
  auto transport = make_cpprest_transport(Credentials::load({}, real_surroundings(), clock).value()).value();
  // The server remembers nothing of a kind from before it was installed, so this is too old for certain.
  install_gadgets();
  kubectl("wait --for=condition=Established --timeout=120s crd/gadgets.clienttest.rls-operator.dev");
  const auto it = client();
  RememberingSink sink;
  Watching watching(*it, {"clienttest.rls-operator.dev/v1", "gadgets", ns_}, sink);
  ASSERT_TRUE(sink.relists_reach(1)) << "it is served";
  watching.stop();
  Request request;
  request.path = "/apis/clienttest.rls-operator.dev/v1/namespaces/" + ns_ +
                 "/gadgets?watch=true&resourceVersion=1&timeoutSeconds=5";
  LineSplitter lines;
  WatchDecoder decoder;
  int code = 0;
  const auto reply = transport->stream(request,
                                       [&](std::string_view chunk) {
                                         return lines.feed(chunk, [&](std::string& line) {
                                           const auto event = decoder.decode(line);
                                           if (event && event->type == EventType::error)
                                             code = event->error_code;
                                           return code == 0;
                                         });
                                       },
                                       60s, {});
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_TRUE(reply->status == 410 || code == 410) << reply->status << " " << code << " " << reply->body;
}

TEST_F(RealServer, MissingCrdIsTriedAgainUntilItIsThere) {
  const auto it = client();
  RememberingSink sink;
  const Resource gadgets{"clienttest.rls-operator.dev/v1", "gadgets", ns_};
  remove_gadgets();
  Watching watching(*it, gadgets, sink);
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(sink.relists(), 0);
  install_gadgets();
  EXPECT_TRUE(sink.relists_reach(1));
  watching.stop();
  remove_gadgets();
}

}  // namespace
}  // namespace rls::kube::test
