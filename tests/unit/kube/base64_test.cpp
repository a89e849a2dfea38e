#include "controller/kube/base64.hpp"

#include <gtest/gtest.h>

namespace rls::kube {
namespace {

TEST(Base64, Rfc4648Vectors) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("Zg=="), "f");
  EXPECT_EQ(decode_base64("Zm8="), "fo");
  EXPECT_EQ(decode_base64("Zm9v"), "foo");
  EXPECT_EQ(decode_base64("Zm9vYg=="), "foob");
  EXPECT_EQ(decode_base64("Zm9vYmE="), "fooba");
  EXPECT_EQ(decode_base64("Zm9vYmFy"), "foobar");
  EXPECT_EQ(decode_base64("+/8A"), std::string("\xfb\xff\0", 3));
}

TEST(Base64, BlanksAreSkipped) { EXPECT_EQ(decode_base64(" Zm9v\nYmFy\r\n"), "foobar"); }

TEST(Base64, AnythingElseIsRefused) {
  for (const char* bad :
       {"Z", "Zg", "Zg=", "Zg===", "Zm9v=", "=", "Zh==", "Zm9=", "Zm-_", "Zg==Zg==", "Zm9v!"}) {
    EXPECT_EQ(decode_base64(bad), std::nullopt) << bad;
  }
}

TEST(Base64, Encodes) {
  const std::string all("\0\xff\x10 any bytes", 13);
  for (std::size_t length = 0; length <= all.size(); ++length) {
    EXPECT_EQ(decode_base64(encode_base64(all.substr(0, length))), all.substr(0, length));
  }
  EXPECT_EQ(encode_base64("ca"), "Y2E=");
  EXPECT_EQ(encode_base64("c"), "Yw==");
}

}  // namespace
}  // namespace rls::kube
