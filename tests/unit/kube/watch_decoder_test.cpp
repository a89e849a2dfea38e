#include "controller/kube/watch_decoder.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

namespace rls::kube {
namespace {

Result<WatchEvent> decode(std::string& line) {
  WatchDecoder decoder;
  return decoder.decode(line);
}

TEST(WatchDecoder, HandsOutTheRawObject) {
  WatchDecoder decoder;
  std::string line =
      R"({"type":"ADDED","object":{"kind":"W", "metadata":{"name":"a","resourceVersion":"12"},"spec":{"x":"\u00e9}"}} })";
  const auto event = decoder.decode(line);
  ASSERT_TRUE(event.ok()) << event.error().message;
  EXPECT_EQ(event->type, EventType::added);
  EXPECT_EQ(event->object,
            R"({"kind":"W", "metadata":{"name":"a","resourceVersion":"12"},"spec":{"x":"\u00e9}"}})");
  EXPECT_EQ(event->resource_version, "12");
}

TEST(WatchDecoder, KnowsEachType) {
  WatchDecoder decoder;
  const std::vector<std::pair<std::string, EventType>> types = {{"ADDED", EventType::added},
                                                                {"MODIFIED", EventType::modified},
                                                                {"DELETED", EventType::deleted},
                                                                {"BOOKMARK", EventType::bookmark}};
  for (const auto& [name, type] : types) {
    std::string line = R"({"type":")" + name + R"(","object":{"metadata":{"resourceVersion":"7"}}})";
    const auto event = decoder.decode(line);
    ASSERT_TRUE(event.ok()) << name;
    EXPECT_EQ(event->type, type);
    EXPECT_EQ(event->resource_version, "7");
  }
}

TEST(WatchDecoder, OrderOfKeysDoesNotMatter) {
  std::string line =
      R"({"object":{"spec":{"metadata":1},"metadata":{"labels":{"resourceVersion":"no"},"resourceVersion":"9"}},"type":"MODIFIED"})";
  WatchDecoder decoder;
  const auto event = decoder.decode(line);
  ASSERT_TRUE(event.ok()) << event.error().message;
  EXPECT_EQ(event->resource_version, "9");
}

TEST(WatchDecoder, ErrorEventHasTheStatusCode) {
  WatchDecoder decoder;
  std::string line =
      R"!({"type":"ERROR","object":{"kind":"Status","metadata":{},"message":"too old: 1 (5)",)!"
      R"!("reason":"Expired","code":410}})!";
  const auto event = decoder.decode(line);
  ASSERT_TRUE(event.ok()) << event.error().message;
  EXPECT_EQ(event->type, EventType::error);
  EXPECT_EQ(event->error_code, 410);
  std::string status(event->object);
  EXPECT_EQ(decode_status(status).message, "too old: 1 (5)");
  EXPECT_EQ(decode_status(status).reason, "Expired");
}

TEST(WatchDecoder, ErrorEventWithoutACodeIsStillOne) {
  WatchDecoder decoder;
  std::string line = R"({"type":"ERROR","object":{}})";
  const auto event = decoder.decode(line);
  ASSERT_TRUE(event.ok()) << event.error().message;
  EXPECT_EQ(event->error_code, 0);
}

TEST(WatchDecoder, WhatIsNoEventIsAnError) {
  for (std::string line : {
           "",
           " ",
           "nonsense",
           "{",
           "{}",
           "[]",
           "null",
           R"("text")",
           R"({"type":"ADDED"})",
           R"({"type":"ADDED","object":null})",
           R"({"type":"ADDED","object":[]})",
           R"({"type":"ADDED","object":{}})",
           R"({"type":"ADDED","object":{"metadata":{}}})",
           R"({"type":"ADDED","object":{"metadata":{"resourceVersion":""}}})",
           R"({"type":"ADDED","object":{"metadata":{"resourceVersion":7}}})",
           R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"7"})",
           R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"7)",
           R"({"type":"PATCHED","object":{"metadata":{"resourceVersion":"7"}}})",
           R"({"type":7,"object":{"metadata":{"resourceVersion":"7"}}})",
       }) {
    const std::string shown = line;
    const auto event = decode(line);
    ASSERT_FALSE(event.ok()) << shown;
    EXPECT_EQ(event.error().reason, "MalformedReply") << shown;
    EXPECT_EQ(event.error().kind, ErrorKind::transient) << shown;
  }
}

TEST(WatchDecoder, GoesOnAfterAHugeEvent) {
  WatchDecoder decoder;
  std::string huge = R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"7"},"x":")" +
                     std::string(1'000'000, 'x') + "\"}}";
  EXPECT_TRUE(decoder.decode(huge).ok());
  std::string small = R"({"type":"ADDED","object":{"metadata":{"resourceVersion":"8"}}})";
  EXPECT_TRUE(decoder.decode(small).ok());
}

/// What comes out lies within what went in, whatever that was. RLS_DAMAGE: how many texts.
TEST(WatchDecoder, SurvivesDamage) {
  const std::string event =
      R"({"type":"MODIFIED","object":{"metadata":{"name":"a","resourceVersion":"12"},"s":[1,{"a":"\\\"b"}]}})";
  const std::string list =
      R"({"kind":"List","metadata":{"resourceVersion":"5","continue":"x"},"items":[{"a":1},{"b":[{}]}]})";
  static constexpr std::string_view kBytes = "{}[]\",:\\ 0a\n\xff";
  std::minstd_rand random(1);
  const auto pick = [&](std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random);
  };
  WatchDecoder decoder;
  const char* asked = std::getenv("RLS_DAMAGE");
  const int count = asked == nullptr ? 20'000 : std::atoi(asked);
  for (int i = 0; i < count; ++i) {
    std::string text = i % 2 == 0 ? event : list;
    for (std::size_t n = pick(3) + 1; n > 0; --n) text[pick(text.size())] = kBytes[pick(kBytes.size())];
    if (pick(4) == 0) text.resize(pick(text.size()));
    const auto within = [&](std::string_view part) {
      return part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size();
    };
    if (const auto got = decoder.decode(text); got.ok()) {
      EXPECT_TRUE(within(got->object)) << text;
    }
    if (const auto page = decode_list_page(text); page.ok()) {
      for (const auto item : page->items) EXPECT_TRUE(within(item)) << text;
    }
    (void)decode_status(text);
    (void)decode_resource_version(text);
  }
}

TEST(ListPage, HasItemsVersionAndToken) {
  std::string body =
      R"({"kind":"WList","apiVersion":"g/v1","metadata":{"continue":"abc","resourceVersion":"77","remainingItemCount":3},)"
      R"("items":[{"a":{"b":1}} , {},{"metadata":{"resourceVersion":"1"}}]})";
  const auto page = decode_list_page(body);
  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_EQ(page->resource_version, "77");
  EXPECT_EQ(page->continue_token, "abc");
  EXPECT_EQ(page->items, (std::vector<std::string_view>{R"({"a":{"b":1}})", "{}",
                                                        R"({"metadata":{"resourceVersion":"1"}})"}));
}

TEST(ListPage, MayBeEmpty) {
  for (std::string items : {"[]", "null"}) {
    std::string body = R"({"items":)" + items + R"(,"metadata":{"resourceVersion":"77"}})";
    const auto page = decode_list_page(body);
    ASSERT_TRUE(page.ok()) << items << page.error().message;
    EXPECT_TRUE(page->items.empty());
    EXPECT_TRUE(page->continue_token.empty());
  }
}

TEST(ListPage, WhatIsNoListIsAnError) {
  for (std::string body : {
           "",
           "<html>",
           "{}",
           R"({"metadata":{"resourceVersion":"1"}})",
           R"({"metadata":{},"items":[]})",
           R"({"metadata":{"resourceVersion":"1"},"items":{}})",
           R"({"metadata":{"resourceVersion":"1"},"items":[1]})",
           R"({"metadata":{"resourceVersion":"1"},"items":[{"a":1},null]})",
           R"({"metadata":{"resourceVersion":"1"},"items":[{"a":1})",
       }) {
    const std::string shown = body;
    const auto page = decode_list_page(body);
    ASSERT_FALSE(page.ok()) << shown;
    EXPECT_EQ(page.error().reason, "MalformedReply") << shown;
  }
}

TEST(ResourceVersion, OfOneObject) {
  std::string body = R"({"kind":"PartialObjectMetadata","metadata":{"resourceVersion":"42"}})";
  EXPECT_EQ(decode_resource_version(body).value(), "42");
  std::string none = R"({"kind":"PartialObjectMetadata","metadata":{}})";
  EXPECT_FALSE(decode_resource_version(none).ok());
}

TEST(StatusBody, WhatIsNoStatusIsEmpty) {
  std::string body = "404 page not found\n";
  EXPECT_EQ(decode_status(body).message, "");
  EXPECT_EQ(decode_status(body).code, 0);
}

}  // namespace
}  // namespace rls::kube
