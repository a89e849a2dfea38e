#pragma once
// Decides again for each move by itself.

#include <functional>
#include <utility>

#include "controller/postgres/project_database.hpp"

namespace rls::postgres {

inline DecideAgain each(std::function<std::optional<Phase>(std::size_t, const decide::Observation&)> decide) {
  return [decide = std::move(decide)](std::vector<Relook>& looks) {
    std::vector<std::optional<Phase>> answers;
    answers.reserve(looks.size());
    for (const Relook& look : looks) answers.push_back(decide(look.move, look.observed));
    return answers;
  };
}

}  // namespace rls::postgres
