#!/usr/bin/env bash
# The alert rules: each is tested, documented, and made of metrics that there are.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
rules=$checkout/metrics/rules/rls-operator.rules.yaml
tests=$checkout/metrics/rules/tests

alerts() { sed -n 's/^ *- alert: //p' "$rules"; }
# field ALERT KEY: the first line of it
field() { awk -v alert="$1" -v key="$2:" '$1 == "-" && $2 == "alert:" { here = $3 == alert } here && $1 == key { $1 = ""; print substr($0, 2); exit }' "$rules"; }

test_promtool_reads_the_rules() { promtool check rules "$rules"; }
test_promtool_runs_their_tests() { promtool test rules "$tests"/*.yaml; }
test_every_alert_has_a_case_that_fires_and_one_that_does_not() {
  local alert cases
  for alert in $(alerts); do
    cases=$(grep -h -A 2 "alertname: $alert\$" "$tests"/*.yaml)
    [[ $cases == *"exp_alerts: []"* ]] || fail "no test in which $alert does not fire"
    grep -q 'exp_alerts:$' <<<"$cases" || fail "no test in which $alert fires"
  done
  [[ -n $alert ]]
}
test_every_alert_says_all_it_should() {
  local alert
  for alert in $(alerts); do
    [[ $(field "$alert" severity) =~ ^(critical|warning|info)$ ]] || fail "$alert: no severity"
    [[ -n $(field "$alert" summary) && -n $(field "$alert" description) ]] || fail "$alert: no summary or description"
    same "$(field "$alert" runbook_url)" "docs/alerts.md#${alert,,}"
  done
}
test_every_alert_is_documented_and_no_other() {
  same "$(sed -n 's/^## \(Rls.*\)/\1/p' "$checkout/docs/alerts.md")" "$(alerts)"
}
test_every_metric_exists() {
  local names metric
  names=$(grep -oE 'Info\{Id::\w+, "[a-z_]+"' "$checkout/metrics/names.hpp" | cut -d '"' -f 2)
  for metric in $(grep -ohE '\b(rls|controller|workqueue|rest_client|pg)_[a-z_]+\b' "$rules" "$tests"/*.yaml |
    sed -E 's/_(bucket|sum|count)$//' | sort -u); do
    grep -qx "$metric" <<<"$names" || fail "there is no metric $metric"
  done
  [[ -n $metric ]]
}
test_the_prometheus_rule_of_the_manifests_is_up_to_date() {
  "$checkout/dev/prometheus-rule" >made.yaml
  diff made.yaml "$checkout/manifests/monitoring/prometheus-rule.yaml" || fail "run: dev/prometheus-rule --write"
  sed '1,/^spec:/d; s/^  //' made.yaml >rules.yaml
  promtool check rules rules.yaml
}

run_tests
