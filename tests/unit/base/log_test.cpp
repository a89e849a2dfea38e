#include "controller/base/log.hpp"

#include <gmock/gmock.h>

#include <limits>
#include <string>

#include "controller/base/text.hpp"

namespace rls::log {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kTime = "2026-01-15T12:00:00.123456Z";

std::string json(std::string_view message, Fields fields = {}) {
  return format_line(Format::json, kTime, Level::info, "test", message, fields);
}
std::string console(std::string_view message, Fields fields = {}) {
  return format_line(Format::console, kTime, Level::info, "test", message, fields);
}

TEST(LogJson, IsOneObject) {
  EXPECT_EQ(json("moved", {{"project", "sm"}, {"count", 3}, {"ok", true}, {"big", std::uint64_t{1} << 63}}),
            R"({"ts":"2026-01-15T12:00:00.123456Z","level":"info","logger":"test","msg":"moved",)"
            R"("project":"sm","count":3,"ok":true,"big":9223372036854775808})");
}

TEST(LogJson, NamesItsLevels) {
  for (const auto& [level, name] : {std::pair{Level::debug, "debug"},
                                    {Level::info, "info"},
                                    {Level::warn, "warn"},
                                    {Level::error, "error"}}) {
    EXPECT_THAT(format_line(Format::json, kTime, level, "test", "m", {}),
                HasSubstr(std::string(R"("level":")") + name + "\""));
  }
}

TEST(LogJson, EscapesItsTexts) {
  EXPECT_THAT(json("m", {{"v", "a\"b\\c\nd\te\rf"}}), HasSubstr(R"("v":"a\"b\\c\nd\te\rf")"));
  EXPECT_THAT(json("m", {{"v", std::string_view("\0\x01\x1F\x7F", 4)}}),
              HasSubstr(R"("v":"\u0000\u0001\u001f\u007f")"));
  EXPECT_THAT(json("m", {{"v", "ünï 😀"}}), HasSubstr(R"("v":"ünï 😀")"));
}

TEST(LogJson, IsUtf8WhateverComes) {
  const std::string line = json("m", {{"v", "bad \xFF\xC3("}});
  EXPECT_TRUE(is_utf8(line));
  EXPECT_THAT(line, HasSubstr(R"(bad \\xff\\xc3()"));
}

TEST(LogJson, HasNoNumbersThatJsonLacks) {
  EXPECT_THAT(json("m", {{"v", 0.5}}), HasSubstr(R"("v":0.5)"));
  EXPECT_THAT(json("m", {{"v", std::numeric_limits<double>::quiet_NaN()}}), HasSubstr(R"("v":"nan")"));
  EXPECT_THAT(json("m", {{"v", -std::numeric_limits<double>::infinity()}}), HasSubstr(R"("v":"-inf")"));
}

TEST(LogConsole, IsOneLine) {
  EXPECT_EQ(console("moved", {{"project", "sm"}, {"count", 3}}),
            R"(12:00:00.123 info  test: moved  project="sm"  count=3)");
  EXPECT_THAT(console("m", {{"v", "two\nlines \x1B[31m"}}), HasSubstr(R"(v="two\x0alines \x1b[31m")"));
}

TEST(Redaction, TakesSecretsOutOfEveryText) {
  add_secret("hunter2-canary");
  EXPECT_EQ(redacted("password=hunter2-canary!"), "password=«redacted»!");
  EXPECT_EQ(redacted("hunter2-canaryhunter2-canary"), "«redacted»«redacted»");
  EXPECT_EQ(redacted("nothing here"), "nothing here");
  for (const std::string& line :
       {json("with hunter2-canary", {{"v", "x hunter2-canary y"}, {"bad", "\xFF hunter2-canary"}}),
        console("with hunter2-canary", {{"v", "x hunter2-canary y"}, {"bad", "\xFF hunter2-canary"}})}) {
    EXPECT_THAT(line, Not(HasSubstr("hunter2")));
    EXPECT_THAT(line, HasSubstr("«redacted»"));
  }
}

TEST(Redaction, TakesOutSecretsThatWouldBeEscaped) {
  add_secret("ca\"na\\ry\x01pw");
  for (const std::string& line :
       {json("m", {{"v", "x ca\"na\\ry\x01pw y"}, {"bad", "\xFF ca\"na\\ry\x01pw"}}),
        console("m", {{"v", "x ca\"na\\ry\x01pw y"}, {"bad", "\xFF ca\"na\\ry\x01pw"}})}) {
    EXPECT_THAT(line, Not(HasSubstr("ca\\\"na")));
    EXPECT_THAT(line, Not(HasSubstr("pw")));
  }
}

TEST(Redaction, TakesOutSecretsWhereATextIsCut) {
  add_secret("a-secret-across-the-border");
  const std::string text = std::string(990, 'x') + "a-secret-across-the-border";
  EXPECT_THAT(console("m", {{"v", text}}), Not(HasSubstr("a-secret")));
  EXPECT_THAT(json("m", {{"v", "\xFF" + text}}), Not(HasSubstr("a-secret")));
}

TEST(Redaction, TakesTheLongestFirst) {
  add_secret("inner-pw");
  add_secret("postgres://u:inner-pw@host/db");
  EXPECT_EQ(redacted("postgres://u:inner-pw@host/db"), "«redacted»");
  EXPECT_EQ(redacted("inner-pw"), "«redacted»");
}

TEST(Redaction, LeavesTextsAloneForTinySecrets) {
  add_secret("");
  add_secret("abc");
  EXPECT_EQ(redacted("abc abc"), "abc abc");
}

TEST(Log, WritesToStderrFromTheLevelOn) {
  testing::internal::CaptureStderr();
  configure(Level::warn, Format::json);
  EXPECT_FALSE(enabled(Level::info));
  EXPECT_TRUE(enabled(Level::warn));
  debug("test", "not this");
  info("test", "nor this");
  warn("test", "this", {{"n", 1}});
  error("test", "and this");
  configure(Level::info, Format::console);
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_THAT(written, Not(HasSubstr("not this")));
  EXPECT_THAT(written, Not(HasSubstr("nor this")));
  EXPECT_THAT(written, HasSubstr(R"("level":"warn","logger":"test","msg":"this","n":1})"
                                 "\n"));
  EXPECT_THAT(written, HasSubstr(R"("level":"error","logger":"test","msg":"and this"})"
                                 "\n"));
}

}  // namespace
}  // namespace rls::log
