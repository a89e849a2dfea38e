#include "controller/base/text.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace rls {
namespace {

using namespace std::string_view_literals;

TEST(Utf8, IsKnown) {
  for (const std::string_view text : {
           ""sv,
           "plain"sv,
           "NUL \0 inside"sv,
           "\x7F"sv,
           "\xC2\x80"sv,          // U+0080, the first of two bytes
           "\xDF\xBF"sv,          // U+07FF
           "\xE0\xA0\x80"sv,      // U+0800
           "\xED\x9F\xBF"sv,      // U+D7FF, the last before the surrogates
           "\xEE\x80\x80"sv,      // U+E000, the first after them
           "\xEF\xBF\xBD"sv,      // U+FFFD
           "\xF0\x90\x80\x80"sv,  // U+10000
           "\xF4\x8F\xBF\xBF"sv,  // U+10FFFF
           "añb→c😀d"sv,
       }) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
}

TEST(Utf8, EverythingElseIsNot) {
  for (const std::string_view text : {
           "\x80"sv,  // a continuation alone
           "\xBF"sv,
           "\xC0\x80"sv,  // overlong NUL
           "\xC1\xBF"sv,
           "\xC3"sv,  // cut
           "\xC3("sv,
           "\xE0\x9F\xBF"sv,  // overlong
           "\xE2\x82"sv,
           "\xE2\x28\xA1"sv,
           "\xED\xA0\x80"sv,  // a surrogate
           "\xED\xBF\xBF"sv,
           "\xF0\x8F\xBF\xBF"sv,  // overlong
           "\xF0\x9F\x98"sv,
           "\xF4\x90\x80\x80"sv,  // above U+10FFFF
           "\xF5\x80\x80\x80"sv,
           "\xFE"sv,
           "\xFF"sv,
           "good until \xE9 here"sv,
       }) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

TEST(Quoted, EscapesWhatCouldBeMisread) {
  EXPECT_EQ(quoted("plain ünï"sv), "\"plain ünï\"");
  EXPECT_EQ(quoted(""sv), "\"\"");
  EXPECT_EQ(quoted("a\"b\\c"sv), R"("a\"b\\c")");
  EXPECT_EQ(quoted("a\nb\tc\0d\x1B[31m\x7F"sv), R"("a\x0ab\x09c\x00d\x1b[31m\x7f")");
  EXPECT_EQ(quoted("\xFF\xC3("sv), R"("\xff\xc3(")");
  EXPECT_EQ(quoted("\xC2\x9B"
                   "31m"sv),
            R"("\xc2\x9b31m")")
      << "U+009B begins an escape sequence on some terminals";
}

TEST(Quoted, CutsOnACharactersBorder) {
  EXPECT_EQ(quoted("abcdef"sv, 6), "\"abcdef\"");
  EXPECT_EQ(quoted("abcdefg"sv, 6), "\"abcdef…\"");
  EXPECT_EQ(quoted("abcdeé"sv, 6), "\"abcde…\"");
  EXPECT_EQ(quoted("abcde\n"sv, 6), "\"abcde…\"") << "an escape is not cut apart";
  EXPECT_EQ(quoted("😀"sv, 3), "\"…\"");
}

TEST(Quoted, IsUtf8WhateverComes) {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text = {static_cast<char>(first), static_cast<char>(second), 'x'};
      ASSERT_TRUE(is_utf8(quoted(std::string_view(text)))) << first << " " << second;
    }
  }
}

TEST(Truncated, HasAtMostWhatItMay) {
  EXPECT_EQ(truncated("abcdef", 6), "abcdef");
  EXPECT_EQ(truncated("abcdefg", 6), "abc…");
  EXPECT_EQ(truncated("abéd efg", 6), "ab…") << "é is not cut apart";
  EXPECT_EQ(truncated("abcdefg", 3), "…");
  EXPECT_EQ(truncated("abcdefg", 2), "");
  EXPECT_EQ(truncated("", 0), "");
  const std::string text = "aé→😀aé→😀";
  for (std::size_t size = 0; size <= text.size() + 1; ++size) {
    EXPECT_LE(truncated(text, size).size(), size);
    EXPECT_TRUE(is_utf8(truncated(text, size))) << size;
  }
}

}  // namespace
}  // namespace rls
