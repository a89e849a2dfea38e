#include "controller/checks/runner.hpp"

#include <utility>

#include "controller/checks/job_check.hpp"
#include "controller/checks/prometheus_check.hpp"
#include "controller/checks/sql_check.hpp"
#include "controller/checks/transactions.hpp"

namespace rls::checks {

Runner::Runner(kube::Client& client, Seam& seam, const Clock& clock, SettingsFor settings_for,
               std::vector<std::string> allowed_urls)
    : client_(client),
      seam_(seam),
      clock_(clock),
      settings_for_(std::move(settings_for)),
      allowed_urls_(std::move(allowed_urls)) {}

Outcome Runner::run(const Run& run, const std::stop_token& stop) {
  if (run.count) return count(run, stop);
  const api::CheckSpec& check = run.check;
  if (check.sql) {
    const auto settings = settings_for_(run.database);
    if (settings) return run_sql_check(*check.sql, run.project, *settings, seam_, stop);
    const Error& error = settings.error();
    return error.kind == ErrorKind::terminal ? unknown(error.message) : unheard(error.message);
  }
  if (check.prometheus) return run_prometheus_check(*check.prometheus, run.project, allowed_urls_, stop);
  if (check.job)
    return run_job_check({run.migration, run.uid, run.subject}, check, client_, clock_.now(), stop);
  return unknown("the check has neither sql nor prometheus nor job");
}

Outcome Runner::count(const Run& run, const std::stop_token& stop) {
  const CountQuery& query = *run.count;
  if (query.source.prometheus) return count_by_prometheus(query, allowed_urls_, clock_.now(), stop);
  const auto settings = settings_for_(run.database);
  if (settings) return count_by_sql(query, *settings, seam_, stop);
  return unknown("transactions are not counted: " + settings.error().message);
}

Result<void> Runner::sweep(const Wanted& wanted, const std::stop_token& stop) {
  return delete_stale_jobs({wanted.migration, wanted.uid, wanted.subject}, wanted.checks, client_, stop);
}

}  // namespace rls::checks
