#include "controller/kube/line_splitter.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace rls::kube {
namespace {

struct Lines {
  std::vector<std::string> seen;
  bool operator()(std::string& line) {
    seen.push_back(line);
    return line != "stop";
  }
};

TEST(LineSplitter, AnyChunkingGivesTheSameLines) {
  const std::string text = "one\ntwo\n\nthree is longer\nrest";
  for (std::size_t size = 1; size <= text.size(); ++size) {
    LineSplitter splitter;
    Lines lines;
    for (std::size_t at = 0; at < text.size(); at += size) {
      EXPECT_TRUE(splitter.feed(std::string_view(text).substr(at, size), lines));
    }
    EXPECT_EQ(lines.seen, (std::vector<std::string>{"one", "two", "three is longer"})) << size;
  }
}

TEST(LineSplitter, LongestLineIsTakenAndOneByteMoreIsNot) {
  LineSplitter splitter(4);
  Lines lines;
  EXPECT_TRUE(splitter.feed("abcd\nabc", lines));
  EXPECT_TRUE(splitter.feed("d", lines));
  EXPECT_FALSE(splitter.overlong());
  EXPECT_FALSE(splitter.feed("e", lines));
  EXPECT_TRUE(splitter.overlong());
  EXPECT_EQ(lines.seen, (std::vector<std::string>{"abcd"}));
}

TEST(LineSplitter, LinesBeforeTheOverlongOneAreGiven) {
  LineSplitter splitter(4);
  Lines lines;
  EXPECT_FALSE(splitter.feed("ab\ncd\nabcdefgh\nef\n", lines));
  EXPECT_EQ(lines.seen, (std::vector<std::string>{"ab", "cd"}));
}

TEST(LineSplitter, TheTakerEndsTheFeeding) {
  LineSplitter splitter;
  Lines lines;
  EXPECT_FALSE(splitter.feed("a\nstop\nb\n", lines));
  EXPECT_FALSE(splitter.overlong());
  EXPECT_EQ(lines.seen, (std::vector<std::string>{"a", "stop"}));
}

}  // namespace
}  // namespace rls::kube
