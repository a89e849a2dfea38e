// Our kinds as JSON. What was read and made fit is written and read back as it was.

#include "controller/api/approval.hpp"
#include "controller/api/database.hpp"
#include "controller/api/limits.hpp"
#include "controller/api/migration.hpp"
#include "controller/api/rollout.hpp"
#include "controller/base/text.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using rls::fuzz::require;

template <class Object, class Decode>
void check(std::string_view json, const Decode& decode, const char* spec) {
  auto object = decode(json);
  if (!object.ok()) {
    require(object.error().kind == rls::ErrorKind::terminal, "a bad object does not heal by itself");
    require(rls::is_utf8(object.error().message), "the message can be shown");
    return;
  }
  auto status = object->status;
  rls::api::fit(status);
  auto fitting = status;
  rls::api::fit(fitting);
  require(fitting == status, "what fits is left alone");
  const std::string written = rls::api::encode_status(object->meta, status);
  require(rls::is_utf8(written) && written.ends_with('}'), "what is written is JSON");
  const auto back = decode(written.substr(0, written.size() - 1) + spec);
  require(back.ok(), "what is written can be read");
  require(back->status == status, "what is written is read back as it was");
  require(back->meta.name == object->meta.name && back->meta.uid == object->meta.uid &&
              back->meta.resource_version == object->meta.resource_version,
          "it is the same object");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view json = rls::fuzz::text_of(data, size);
  check<rls::api::RlsMigration>(
      json, [](std::string_view text) { return rls::api::decode_migration(text); },
      R"(,"spec":{"databaseRef":{"name":"main"},"project":"sm","phase":"shadow"}})");
  check<rls::api::RlsDatabase>(
      json, [](std::string_view text) { return rls::api::decode_database(text); },
      R"(,"spec":{"connection":{"secretRef":{"name":"s"}},"runtime":{"mode":"Adopted"}}})");
  check<rls::api::RlsRollout>(
      json, [](std::string_view text) { return rls::api::decode_rollout(text); },
      R"(,"spec":{"databaseRef":{"name":"main"},"phase":"enforcing","waves":[{"name":"a","projects":["sm"]}]}})");
  (void)rls::api::decode_meta(json);
  (void)rls::api::decode_approval(json);
  return 0;
}
