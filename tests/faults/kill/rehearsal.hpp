#pragma once
// A run of the operator that is repeated with one fault in it, and what must be true all the way through it.

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/world.hpp"

namespace rls::test {

/// Which of the two processes of a run has the fault.
enum class Where { first_start, restart };

struct Plan {
  Where where = Where::first_start;
  std::string fault{};  // as --inject-fault takes it; empty: none

  [[nodiscard]] std::string name() const {
    return std::string(where == Where::first_start ? "first start, " : "restart, ") + fault;
  }
};

/// One run: two processes of the operator one after the other, and what a person asks of them. An
/// RlsDatabase is `main`; the projects are those of the sample.
class Rehearsal {
 public:
  explicit Rehearsal(Plan plan) : plan_(std::move(plan)) {}
  virtual ~Rehearsal() = default;
  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;

  /// What is wrong; empty: it survived.
  std::string go();

  /// The calls that each process made, in their order.
  [[nodiscard]] const std::map<Where, std::vector<std::string>>& calls() const { return calls_; }
  [[nodiscard]] bool fault_met() const { return fault_met_; }

 protected:
  using Phases = std::map<std::string, std::string>;  // by project
  using Json = nlohmann::json;

  /// What happens; throws where it cannot go on.
  virtual void play() = 0;
  /// What must hold at each moment that is looked at: says what does not.
  virtual std::string look() = 0;

  void start(Where where);
  void stop();
  /// Until it holds, while look() finds nothing; the operator is started again where the fault killed it.
  /// Throws where it does not come to that.
  void reach(const std::string& stage, const std::function<bool()>& holds);
  /// One more thing that is wrong.
  void note(const std::string& wrong) { wrong_ += wrong + "\n"; }

  /// The items of a list; empty where there is no answer.
  Json items(const std::string& plural);
  /// "Status/Reason" of a condition of a status, "" where it has none.
  static std::string condition(const Json& status, const std::string& type);
  /// The phases that the projects have now in the table of the runtime.
  Phases phases();
  /// In one statement, so under one snapshot: the mode and what it lets through.
  std::string foreign_rows_of(const std::string& project);
  /// The ledger of a project's moves, with one first sight and one audit row for each move.
  std::string wrong_in_ledger(const std::string& project, const std::string& moves);

  World world_;

 private:
  void launch(const std::string& fault);
  void note_calls();

  const Plan plan_;
  Where where_ = Where::first_start;
  std::map<Where, std::vector<std::string>> calls_;
  std::size_t noted_ = 0;
  std::string wrong_;
  bool fault_met_ = false;
};

}  // namespace rls::test
