#include "metrics/exposition.hpp"

#include <gtest/gtest.h>

#include <string>

namespace rls::metrics {
namespace {

std::string label(std::string_view value) {
  std::string out;
  append_label_value(out, value);
  return out;
}

TEST(LabelValue, IsEscapedAsTheFormatSays) {
  EXPECT_EQ(label("plain, {braces} and ünïcode"), "plain, {braces} and ünïcode");
  EXPECT_EQ(label(R"(a"b\c)"), R"(a\"b\\c)");
  EXPECT_EQ(label("two\nlines"), R"(two\nlines)");
  EXPECT_EQ(label("\"\\\n"), R"(\"\\\n)");
  EXPECT_EQ(label(""), "");
}

TEST(LabelValue, IsUtf8WhateverComes) {
  EXPECT_EQ(label("bad \xFF byte"), R"(bad \\xff byte)");
  EXPECT_EQ(label("\xC3"), R"(\\xc3)");
}

TEST(Sample, IsOneLine) {
  std::string out;
  append_sample(out, info(Id::queue_depth), {}, 3);
  append_sample(out, info(Id::migration_drift), {{"namespace", "ns"}, {"project", "a\"b"}}, 0);
  append_sample(out, info(Id::queue_longest_wait), {}, 0.25);
  append_sample(out, info(Id::queue_adds), {}, 12345678901.0);
  EXPECT_EQ(out,
            "workqueue_depth 3\n"
            "rls_migration_drift{namespace=\"ns\",project=\"a\\\"b\"} 0\n"
            "workqueue_longest_wait_seconds 0.25\n"
            "workqueue_adds_total 12345678901\n");
}

TEST(Head, NamesHelpAndType) {
  std::string out;
  append_head(out, info(Id::queue_depth));
  EXPECT_EQ(
      out, "# HELP workqueue_depth Keys that are due and wait for a worker.\n# TYPE workqueue_depth gauge\n");
}

}  // namespace
}  // namespace rls::metrics
