// Single objects against a real API server: statuses, and faults injected at the seam.

#include "tests/kube/client/real_server.hpp"

namespace rls::kube::test {
namespace {

std::string widget(const std::string& name, const std::string& ns, const std::string& version, int size) {
  return R"({"apiVersion":"clienttest.rls-operator.dev/v1","kind":"Widget","metadata":{"name":")" + name +
         R"(","namespace":")" + ns + R"(","resourceVersion":")" + version + R"("},"status":{"size":)" +
         std::to_string(size) + "}}";
}

class Writes : public RealServer {
 protected:
  void SetUp() override {
    RealServer::SetUp();
    make_widget("it");
  }
  api::ObjectName name() const { return {ns_, "it"}; }
  std::string version() const {
    return kubectl("get widget it -n " + ns_ + " -o 'jsonpath={.metadata.resourceVersion}'");
  }
  std::string size() const { return kubectl("get widget it -n " + ns_ + " -o 'jsonpath={.status.size}'"); }
};

std::unique_ptr<PlannedSeam> first_call(Fault fault) {
  return std::make_unique<PlannedSeam>(FaultPlan{CallKind::api, 1, fault});
}

TEST_F(Writes, GetBringsTheObject) {
  const auto it = client();
  const auto object = it->get(widgets(), name());
  ASSERT_TRUE(object.ok()) << object.error().message;
  EXPECT_NE(object->find("\"kind\":\"Widget\""), std::string::npos) << *object;
}

TEST_F(Writes, GetOfNothingIsNotFound) {
  const auto it = client();
  const auto object = it->get(widgets(), {ns_, "nobody"});
  ASSERT_FALSE(object.ok());
  EXPECT_EQ(object.error().reason, "NotFound");
  EXPECT_EQ(object.error().kind, ErrorKind::terminal);
}

TEST_F(Writes, NamesThatClimbAreNotAsked) {
  const auto it = client();
  EXPECT_EQ(it->get(widgets(), {ns_, ".."}).error().reason, "InvalidName");
  EXPECT_EQ(it->get(widgets(), {ns_, ""}).error().reason, "InvalidName");
  EXPECT_EQ(seam_.calls(), 0U);
}

TEST_F(Writes, StatusIsWrittenAndTheNewVersionReturned) {
  const auto it = client();
  const auto written = put_status(*it, widgets(), name(), widget("it", ns_, version(), 3));
  ASSERT_TRUE(written.ok()) << written.error().message;
  EXPECT_EQ(*written, version());
  EXPECT_EQ(size(), "3");
}

TEST_F(Writes, StaleVersionIsAConflict) {
  const auto it = client();
  const std::string stale = version();
  ASSERT_TRUE(put_status(*it, widgets(), name(), widget("it", ns_, stale, 3)).ok());
  const auto second = put_status(*it, widgets(), name(), widget("it", ns_, stale, 4));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::conflict);
  EXPECT_EQ(second.error().reason, "Conflict");
  EXPECT_EQ(size(), "3");
}

TEST_F(Writes, StatusOfNothingIsNotFound) {
  const auto it = client();
  const auto written = put_status(*it, widgets(), {ns_, "nobody"}, widget("nobody", ns_, "1", 3));
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().reason, "NotFound") << written.error().message;
}

TEST_F(Writes, WhatTheSchemaRefusesIsInvalid) {
  const auto it = client();
  std::string body = widget("it", ns_, version(), 3);
  body.replace(body.find("\"size\":3"), 8, "\"size\":\"x\"");
  const auto written = put_status(*it, widgets(), name(), body);
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().kind, ErrorKind::terminal);
  EXPECT_EQ(written.error().reason, "Invalid");
  EXPECT_NE(written.error().message.find("status.size"), std::string::npos) << written.error().message;
}

TEST_F(Writes, CreateSaysWhenTheNameIsTaken) {
  const auto it = client();
  const auto create = [&] {
    return waited<void>([&](auto done) {
      it->create(config_maps(),
                 R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"made"},"data":{"a":"b"}})",
                 std::move(done));
    });
  };
  EXPECT_TRUE(create().ok());
  const auto again = create();
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().reason, "AlreadyExists");
  EXPECT_EQ(again.error().kind, ErrorKind::conflict);
}

TEST_F(Writes, APatchChangesOnlyWhatItNames) {
  make_config_map("patched", "before");
  const auto it = client();
  const auto patch = [&](const std::string& name) {
    return waited<void>([&](auto done) {
      it->patch(config_maps(), {ns_, name}, R"({"data":{"added":"b"}})", std::move(done));
    });
  };
  EXPECT_TRUE(patch("patched").ok());
  const std::string data = kubectl("get configmap patched -n " + ns_ + " -o 'jsonpath={.data}'");
  EXPECT_NE(data.find("before"), std::string::npos) << data;
  EXPECT_NE(data.find("added"), std::string::npos) << data;
  EXPECT_EQ(patch("nobody").error().reason, "NotFound");
  EXPECT_EQ(patch("..").error().reason, "InvalidName");
}

TEST_F(Writes, EightAtATime) {
  const auto it = client();
  std::atomic<int> good{0};
  for (int round = 0; round < 8; ++round) make_config_map("map-" + std::to_string(round), "x");
  std::vector<std::jthread> threads;
  for (int n = 0; n < 8; ++n) {
    threads.emplace_back([&, n] {
      for (int i = 0; i < 20; ++i) {
        if (it->get(config_maps(), {ns_, "map-" + std::to_string(n)}).ok()) ++good;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(good, 160);
}

TEST_F(Writes, FailedBeforeNothingIsWritten) {
  const auto seam = first_call(Fault::fail_before);
  const auto it = client({}, *seam);
  const auto written = put_status(*it, widgets(), name(), widget("it", ns_, version(), 3));
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().kind, ErrorKind::transient);
  EXPECT_EQ(size(), "");
}

TEST_F(Writes, LostReplyIsAnErrorAndTheWriteHasHappened) {
  const auto seam = first_call(Fault::lose_reply);
  const auto it = client({}, *seam);
  const auto written = put_status(*it, widgets(), name(), widget("it", ns_, version(), 3));
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().kind, ErrorKind::transient);
  EXPECT_EQ(size(), "3");
}

TEST_F(Writes, KilledAfterTheCallTheWriteHasHappened) {
  ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(
      {
        const auto seam = first_call(Fault::kill_after);
        const auto it = client({}, *seam);
        (void)put_status(*it, widgets(), {ns_, "it"}, widget("it", ns_, version(), 3));
      },
      ::testing::ExitedWithCode(137), "");
}

TEST_F(Writes, ReadIsTriedOnceMoreAndEachTryIsACall) {
  const auto seam = first_call(Fault::lose_reply);
  const auto it = client({}, *seam);
  EXPECT_TRUE(it->get(widgets(), name()).ok());
  EXPECT_EQ(seam->calls(), 2U);
}

TEST_F(Writes, RequestsAreCounted) {
  const auto it = client();
  (void)it->get(widgets(), name());
  (void)it->get(widgets(), {ns_, "nobody"});
  (void)put_status(*it, widgets(), name(), widget("it", ns_, version(), 1));
  std::map<std::string, std::uint64_t> counts;
  for (const auto& each : it->request_counts()) counts[each.method + std::to_string(each.code)] = each.count;
  EXPECT_EQ(counts, (std::map<std::string, std::uint64_t>{{"GET200", 1}, {"GET404", 1}, {"PUT200", 1}}));
}

}  // namespace
}  // namespace rls::kube::test
