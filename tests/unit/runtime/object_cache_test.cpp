#include "controller/runtime/object_cache.hpp"

#include <gmock/gmock.h>

#include <string>
#include <thread>

namespace rls::runtime {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

struct Thing {
  struct {
    std::string name;
    std::string uid;
    std::string resource_version;
  } meta;
  std::string shelf;
};
using Cache = ObjectCache<Thing>;

Thing thing(std::string name, std::string shelf, std::string version = "1", std::string uid = "u") {
  return {{std::move(name), std::move(uid), std::move(version)}, std::move(shelf)};
}
std::vector<std::string> names(const std::vector<Cache::Pointer>& things) {
  std::vector<std::string> out;
  for (const auto& one : things) out.push_back(one->meta.name);
  return out;
}

class ObjectCacheTest : public testing::Test {
 protected:
  Cache cache{[](const Thing& one) { return one.shelf; }};
};

TEST_F(ObjectCacheTest, IsSyncedAfterTheFirstListEvenAnEmptyOne) {
  cache.upsert(thing("a", "s"));
  EXPECT_FALSE(cache.synced());
  cache.replace_all({});
  EXPECT_TRUE(cache.synced());
  EXPECT_EQ(cache.size(), 0u);
}

TEST_F(ObjectCacheTest, AListSaysWhatChanged) {
  cache.replace_all({thing("same", "s"), thing("changed", "s"), thing("gone", "s"), thing("remade", "s")});
  const auto same = cache.get("same");
  const auto changes = cache.replace_all({thing("remade", "s", "1", "another uid"), thing("new", "s"),
                                          thing("same", "s"), thing("changed", "other", "2")});
  EXPECT_THAT(names(changes.added), ElementsAre("new"));
  EXPECT_THAT(names(changes.removed), ElementsAre("gone"));
  ASSERT_EQ(changes.updated.size(), 2u);
  EXPECT_EQ(changes.updated[0].after->meta.name, "remade");
  EXPECT_EQ(changes.updated[1].before->shelf, "s");
  EXPECT_EQ(changes.updated[1].after->shelf, "other");
  EXPECT_EQ(cache.get("same"), same) << "what did not change is not held twice";
  EXPECT_EQ(cache.get("gone"), nullptr);
  EXPECT_TRUE(cache
                  .replace_all({thing("remade", "s", "1", "another uid"), thing("new", "s"),
                                thing("same", "s"), thing("changed", "other", "2")})
                  .empty());
}

TEST_F(ObjectCacheTest, TheIndexFollowsEveryChange) {
  cache.replace_all({thing("c", "one"), thing("a", "one"), thing("b", "two")});
  EXPECT_THAT(names(cache.by_index("one")), ElementsAre("a", "c"));
  cache.upsert(thing("b", "one", "2"));
  EXPECT_THAT(names(cache.by_index("one")), ElementsAre("a", "b", "c"));
  EXPECT_THAT(cache.by_index("two"), IsEmpty());
  cache.upsert(thing("b", "one", "3"));
  EXPECT_EQ(cache.by_index("one")[1]->meta.resource_version, "3");
  cache.erase("a");
  EXPECT_THAT(names(cache.by_index("one")), ElementsAre("b", "c"));
  cache.replace_all({thing("d", "two")});
  EXPECT_THAT(cache.by_index("one"), IsEmpty());
  EXPECT_THAT(names(cache.by_index("two")), ElementsAre("d"));
}

TEST_F(ObjectCacheTest, ChangesReturnWhatStoodThereBefore) {
  EXPECT_EQ(cache.upsert(thing("a", "one", "1")), nullptr);
  EXPECT_EQ(cache.upsert(thing("a", "two", "2"))->meta.resource_version, "1");
  EXPECT_EQ(cache.erase("a")->shelf, "two");
  EXPECT_EQ(cache.erase("a"), nullptr);
}

TEST_F(ObjectCacheTest, ASnapshotOutlivesItsObject) {
  cache.upsert(thing("a", "one"));
  const auto held = cache.get("a");
  cache.upsert(thing("a", "two", "2"));
  cache.erase("a");
  EXPECT_EQ(held->shelf, "one");
}

TEST_F(ObjectCacheTest, VisitsEachObject) {
  cache.replace_all({thing("a", "s"), thing("b", "s")});
  std::vector<std::string> seen;
  cache.for_each([&](const Thing& one) { seen.push_back(one.meta.name); });
  EXPECT_THAT(seen, UnorderedElementsAre("a", "b"));
  EXPECT_THAT(names(cache.all()), UnorderedElementsAre("a", "b"));
}

TEST(ObjectCache, NeedsNoIndex) {
  Cache cache;
  cache.replace_all({thing("a", "s")});
  cache.upsert(thing("b", "s"));
  cache.erase("a");
  EXPECT_THAT(cache.by_index("s"), IsEmpty());
  EXPECT_EQ(cache.size(), 1u);
}

TEST(ObjectCacheThreads, ReadersNeverSeeHalfAList) {
  Cache cache([](const Thing& one) { return one.shelf; });
  const auto list = [](const std::string& version) {
    std::vector<Thing> out;
    for (int i = 0; i < 50; ++i) out.push_back(thing(std::to_string(i), "shelf", version));
    return out;
  };
  cache.replace_all(list("0"));
  std::jthread writer([&](const std::stop_token& stop) {
    for (int round = 1; !stop.stop_requested(); ++round) {
      cache.replace_all(list(std::to_string(round)));
      cache.upsert(thing("0", "shelf", std::to_string(round)));
    }
  });
  for (int round = 0; round < 300; ++round) {
    const auto seen = cache.by_index("shelf");
    ASSERT_EQ(seen.size(), 50u);
    for (const auto& one : seen) ASSERT_EQ(one->meta.resource_version, seen[0]->meta.resource_version);
    ASSERT_NE(cache.get("7"), nullptr);
    std::size_t count = 0;
    cache.for_each([&](const Thing&) { ++count; });
    ASSERT_EQ(count, 50u);
  }
}

}  // namespace
}  // namespace rls::runtime
