#include "controller/kube/uri.hpp"

#include <gtest/gtest.h>

#include "controller/kube/client.hpp"

namespace rls::kube {
namespace {

TEST(Path, CoreGroupHasARootOfItsOwn) {
  EXPECT_EQ((Resource{"v1", "secrets", "a"}.path()), "/api/v1/namespaces/a/secrets");
  EXPECT_EQ((Resource{"v1", "namespaces", ""}.path()), "/api/v1/namespaces");
}

TEST(Path, GroupsAreUnderApis) {
  const Resource all{"rls-operator.dev/v1alpha1", "rlsmigrations", ""};
  EXPECT_EQ(all.path(), "/apis/rls-operator.dev/v1alpha1/rlsmigrations");
  EXPECT_EQ(all.path({"a", "m"}), "/apis/rls-operator.dev/v1alpha1/namespaces/a/rlsmigrations/m");
  EXPECT_EQ(all.path({"", "m"}), "/apis/rls-operator.dev/v1alpha1/rlsmigrations/m");
}

TEST(Path, NamesAreEncoded) {
  const Resource secrets{"v1", "secrets", "n"};
  EXPECT_EQ(secrets.path({"a/b", "c?d#e%f é"}), "/api/v1/namespaces/a%2Fb/secrets/c%3Fd%23e%25f%20%C3%A9");
}

TEST(PercentEncoded, LeavesTheUnreservedAlone) {
  EXPECT_EQ(percent_encoded("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(percent_encoded(std::string_view("\0\n+&=", 5)), "%00%0A%2B%26%3D");
}

TEST(PathSegment, NothingAndDotsNameSomethingElse) {
  EXPECT_FALSE(is_path_segment(""));
  EXPECT_FALSE(is_path_segment("."));
  EXPECT_FALSE(is_path_segment(".."));
  EXPECT_TRUE(is_path_segment("a.b"));
  EXPECT_TRUE(is_path_segment("..."));
}

}  // namespace
}  // namespace rls::kube
