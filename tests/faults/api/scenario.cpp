#include "tests/faults/api/scenario.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

namespace rls::test {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

const std::string kHead = "apiVersion: rls-operator.dev/v1alpha1\nkind: RlsMigration\nmetadata: ";

std::string migration(const std::string& project, const std::string& phase,
                      const std::string& annotations = {}) {
  return kHead + "{name: " + project + (annotations.empty() ? "" : ", annotations: {" + annotations + "}") +
         "}\nspec: {databaseRef: {name: main}, project: " + project + ", phase: " + phase + "}\n---\n";
}

}  // namespace

const std::vector<std::string> kEventFaults = {"dropped", "duplicated",        "delayed", "overtaken",
                                               "damaged", "cut in the middle", "410"};
const std::vector<std::string> kWriteFaults = {"reply lost", "cut before", "409", "429", "503"};
const std::vector<std::string> kReadFaults = {"reply lost", "reply cut", "cut before", "429", "503"};

ProxiedWorld::ProxiedWorld(const FaultAt& fault) : proxy(World::api_server()) {
  proxy.on_request([this, fault](ApiRequest& request) { return on_request(request, fault); });
  proxy.on_line([this, fault](const ApiRequest& request, const std::string& line, const SendLine& send) {
    return on_line(request, line, send, fault);
  });
  proxy.on_reply([this](const ApiRequest& request, int status) {
    if (status != 200 || request.kind() != "PUT rlsmigrations/status") return;
    const auto phase = json::parse(request.body).value(json::json_pointer("/status/phase"), "");
    const std::lock_guard lock(mutex);
    told.emplace(request.object(), phase);
  });
  std::ofstream(world.directory() + "/ca.pem") << proxy.ca().pem();
  std::ofstream(world.directory() + "/token") << world.token();
  world.use_kubeconfig("server: '" + proxy.url() + "', certificate-authority: ca.pem", "tokenFile: token");
}

// The hooks look at this, so the connections end first; the operator's death is World's.
ProxiedWorld::~ProxiedWorld() { proxy.away(true); }

Verdict ProxiedWorld::on_request(ApiRequest& request, const FaultAt& fault) {
  const std::string kind = request.kind();
  const std::lock_guard lock(mutex);
  if (++seen[kind] != fault.number || kind != fault.what || came) return {};
  came = true;
  if (fault.fault == "reply lost") return {.what = Verdict::What::lose_reply};
  if (fault.fault == "reply cut") return {.what = Verdict::What::cut_reply};
  if (fault.fault == "cut before") return {.what = Verdict::What::cut_before};
  if (fault.fault == "409") {
    return Verdict::refusal(409, request.method == "POST" ? "AlreadyExists" : "Conflict");
  }
  if (fault.fault == "429") return Verdict::refusal(429, "TooManyRequests", 1);
  if (fault.fault == "503") return Verdict::refusal(503, "ServiceUnavailable", 1);
  throw std::logic_error("no fault of requests: " + fault.fault);
}

Stream ProxiedWorld::on_line(const ApiRequest& request, const std::string& line, const SendLine& send,
                             const FaultAt& fault) {
  const std::string resource = request.kind().substr(std::string("WATCH ").size());
  const bool bookmark = line.starts_with(R"({"type":"BOOKMARK")");
  bool now = false;
  std::string late;
  {
    const std::lock_guard lock(mutex);
    if (!bookmark) {
      const std::string what = "event " + resource;
      now = ++seen[what] == fault.number && what == fault.what && !came;
      if (now) came = true;
      if (!now && fault.what == what) late = std::exchange(held, {});
      if (now && fault.fault == "overtaken") held = line;
    }
  }
  const auto sent = [&](const std::string& text) { return send(text) ? Stream::go_on : Stream::cut; };
  if (!now) return sent(line + late);
  if (fault.fault == "dropped" || fault.fault == "overtaken") return Stream::go_on;
  if (fault.fault == "duplicated") return sent(line + line);
  if (fault.fault == "delayed") {
    std::this_thread::sleep_for(2s);
    return sent(line);
  }
  if (fault.fault == "damaged") return sent(line.substr(0, line.size() / 2) + "\n");
  if (fault.fault == "cut in the middle") {
    send(line.substr(0, line.size() / 2));
    return Stream::cut;
  }
  if (fault.fault == "410") {
    return sent(
        R"({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old)"
        R"( resource version","reason":"Expired","code":410}})"
        "\n");
  }
  throw std::logic_error("no fault of events: " + fault.fault);
}

std::string ProxiedWorld::missing(const std::map<std::string, std::string>& phases) {
  const auto list = json::parse(world.kubectl({"get", "rlsmigrations", "-o", "json"}).out, nullptr, false);
  if (list.is_discarded()) return "no list";
  std::map<std::string, const json*> objects;
  for (const json& item : list["items"]) objects[item["metadata"]["name"]] = &item;
  if (objects.size() != phases.size()) return std::to_string(objects.size()) + " objects";
  for (const auto& [name, phase] : phases) {
    const auto found = objects.find(name);
    if (found == objects.end()) return name + " is not there";
    const json& object = *found->second;
    const json status = object.value("status", json::object());
    if (status.value("phase", "") != phase) return name + " tells of " + status.value("phase", "nothing");
    if (status.value("observedGeneration", 0) != object["metadata"]["generation"]) return name + " is behind";
    bool ready = false;
    for (const json& condition : status.value("conditions", json::array())) {
      ready |= condition["type"] == "Ready" && condition["status"] == "True";
    }
    if (!ready) return name + " is not Ready";
    if (world.phase_in_database(name) != phase) return name + " is elsewhere in the database";
  }
  return {};
}

bool ProxiedWorld::reaches(const std::map<std::string, std::string>& phases, std::chrono::seconds limit) {
  return world.eventually([&] { return missing(phases).empty(); }, limit);
}

std::string ProxiedWorld::ledger() {
  return world.sql(
      "SELECT string_agg(project_id || ': ' || moves, '; ' ORDER BY project_id) FROM (SELECT project_id, "
      "string_agg(coalesce(from_phase, '') || '>' || to_phase, ' ' ORDER BY ordinal) AS moves FROM "
      "rls_operator.transition GROUP BY project_id) AS each");
}

std::string ProxiedWorld::lies() {
  const std::lock_guard lock(mutex);
  std::string out;
  for (const auto& [project, phase] : told) {
    if (phase.empty()) continue;
    if (world.sql("SELECT count(*) > 0 FROM rls_operator.transition WHERE project_id = '" + project +
                  "' AND to_phase = '" + phase + "'") != "t") {
      out += project + " told of " + phase + "; ";
    }
  }
  return out;
}

Scenario play(const FaultAt& fault) {
  Scenario result;
  ProxiedWorld proxied(fault);
  World& world = proxied.world;
  // What an API server never does is found by the next list, which comes soon here. All else must not need
  // it.
  const bool lost = fault.fault == "dropped" || fault.fault == "overtaken";
  const auto step = [&](const std::string& what, const std::map<std::string, std::string>& phases) {
    if (result.wrong.empty() && !proxied.reaches(phases))
      result.wrong = what + ": " + proxied.missing(phases);
  };
  world.create_database();
  proxied.start(lost ? std::vector<std::string>{"--relist-interval", "4s"} : std::vector<std::string>{});

  world.apply(migration("sm", "shadow") + migration("motoko", "shadow"));
  step("up", {{"sm", "shadow"}, {"motoko", "shadow"}});
  world.apply(migration("sm", "pending") +
              migration("motoko", "shadow", "rls-operator.dev/hold-at: pending"));
  step("down", {{"sm", "pending"}, {"motoko", "pending"}});
  world.kubectl({"delete", "rlsmigration", "motoko"});
  world.apply(migration("motoko", "shadow"));
  step("anew", {{"sm", "pending"}, {"motoko", "shadow"}});

  result.ledger = proxied.ledger();
  if (result.wrong.empty()) result.wrong = proxied.lies();
  if (!world.operator_process().running()) result.wrong += " the operator has ended";
  if (world.stop_operator() != 0) result.wrong += " the operator did not end well";
  const std::lock_guard lock(proxied.mutex);
  result.seen = proxied.seen;
  result.came = proxied.came;
  return result;
}

}  // namespace rls::test
