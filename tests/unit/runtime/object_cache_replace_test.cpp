#include <gtest/gtest.h>

#include "controller/runtime/object_cache.hpp"

namespace rls::runtime {
namespace {

struct Meta {
  std::string name, uid, resource_version;
};
struct Thing {
  Meta meta;
  int value = 0;
};

TEST(ObjectCache, ReplacesOnlyWhatIsStillThere) {
  ObjectCache<Thing> cache;
  cache.upsert({{"a", "1", "10"}, 1});
  const auto seen = cache.get("a");
  cache.upsert({{"a", "1", "11"}, 2});  // somebody told of something newer
  EXPECT_FALSE(cache.replace_if_current(seen, {{"a", "1", "10"}, 9}));
  EXPECT_EQ(cache.get("a")->value, 2);
  EXPECT_TRUE(cache.replace_if_current(cache.get("a"), {{"a", "1", "12"}, 3}));
  EXPECT_EQ(cache.get("a")->value, 3);
}

TEST(ObjectCache, ReplacesNothingThatIsGone) {
  ObjectCache<Thing> cache;
  cache.upsert({{"a", "1", "10"}, 1});
  const auto seen = cache.get("a");
  cache.erase("a");
  EXPECT_FALSE(cache.replace_if_current(seen, {{"a", "1", "10"}, 9}));
  EXPECT_EQ(cache.get("a"), nullptr);
}

}  // namespace
}  // namespace rls::runtime
