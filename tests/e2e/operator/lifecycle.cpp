#include "tests/e2e/operator/lifecycle.hpp"

#include <algorithm>
#include <sstream>

namespace rls::test {

std::string steps(World& world, const std::string& project) {
  return world.sql(
      "SELECT string_agg(from_phase || '>' || to_phase, ' ' ORDER BY ordinal) FROM rls_operator.transition "
      "WHERE kind = 'moved' AND project_id = '" +
      project + "'");
}

std::string transactions_of(World& world, const std::string& projects, const std::string& to) {
  return world.sql(
      "SELECT count(*) || ' in ' || count(DISTINCT xmin::text) FROM rls_operator.transition WHERE kind = "
      "'moved' AND project_id IN (" +
      projects + ") AND to_phase = '" + to + "'");
}

bool seen(World& world, const std::string& name, const std::string& kind) {
  return world.eventually([&] {
    return world.field(name, "status.observedGeneration", kind) ==
           world.field(name, "metadata.generation", kind);
  });
}

bool arrives(World& world, const std::string& project, const std::string& phase) {
  return world.eventually([&] {
    return world.field(project, "status.phase") == phase &&
           world.sql("SELECT to_phase FROM rls_operator.transition WHERE project_id = '" + project +
                     "' ORDER BY ordinal DESC LIMIT 1") == phase;
  });
}

bool becomes(World& world, const std::string& project, const std::string& condition,
             const std::string& wanted) {
  return world.eventually([&] { return world.condition(project, condition) == wanted; });
}

std::string gate(World& world, const std::string& project, const std::string& name, const std::string& path) {
  return world.field(project, "status.gates[?(@.name==\"" + name + "\")]." + path);
}

bool gate_is(World& world, const std::string& project, const std::string& name, const std::string& state,
             const std::string& text) {
  return world.eventually([&] {
    return gate(world, project, name) == state &&
           gate(world, project, name, "message").find(text) != std::string::npos;
  });
}

bool annotate(World& world, const std::string& project, const std::string& annotation) {
  return world.kubectl({"annotate", "--overwrite", "rlsm/" + project, "rls-operator.dev/" + annotation}).ok();
}

Output patch(World& world, const std::string& project, const std::string& json) {
  return world.kubectl({"patch", "rlsm", project, "--type=merge", "-p", json});
}

std::vector<std::string> story(World& world, const std::string& kind, const std::string& name) {
  const std::string all = world.kubectl({"describe", kind, name}).out;
  const auto events = all.find("\nEvents:");
  std::vector<std::string> reasons;
  if (events == std::string::npos) return reasons;
  std::istringstream lines(all.substr(events));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string type, reason;
    words >> type >> reason;
    if (type == "Normal" || type == "Warning") reasons.push_back(reason);
  }
  return reasons;
}

bool tells(World& world, const std::string& project, const std::string& reason) {
  return world.eventually([&] {
    const auto told = story(world, "rlsm", project);
    return std::find(told.begin(), told.end(), reason) != told.end();
  });
}

}  // namespace rls::test
