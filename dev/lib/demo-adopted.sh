# shellcheck shell=bash
# What dev/quickstart --adopted=NAME shows: one of the installations in tests/postgres/fixtures in place of the sample. Its
# first line says what is needed here. One project goes up as far as its evidence lets it, and then back to pending.
# Needs demo-table.sh, demo-story.sh, kubectl_demo, db and namespace.

fixtures=$root/tests/postgres/fixtures

adopted_list() {
  local file
  for file in "$fixtures"/*.sql; do
    printf '%-8s %s\n' "$(basename "$file" .sql)" "$(sed -n '2s/^-- [^:]*: \([^,.;]*\).*/\1/p' "$file")"
  done
}

# adopted_use NAME: sets what the demo must know of it.
adopted_use() {
  local first
  adopted_file=$fixtures/$1.sql
  [[ -f $adopted_file ]] || usage_error "there is no installation '$1'; dev/quickstart --adopted=list shows them"
  first=$(head -n 1 "$adopted_file")
  [[ $first =~ ^'-- demo: schema='(.+)'; project='(.+)'; ends in '([a-z]+)$ ]] ||
    die "the first line of $adopted_file does not say what to show"
  adopted_schema=${BASH_REMATCH[1]} adopted_project=${BASH_REMATCH[2]} adopted_end=${BASH_REMATCH[3]}
  # shellcheck disable=SC2034 # read by demo-table.sh
  projects=("$adopted_project")
}

adopted_objects() {
  cat <<END
apiVersion: rls-operator.dev/v1alpha1
kind: RlsDatabase
metadata: {name: main, namespace: $namespace}
spec:
  connection: {secretRef: {name: main-db}}
  runtime: {mode: Adopted, schema: "$adopted_schema"}
---
apiVersion: rls-operator.dev/v1alpha1
kind: RlsMigration
metadata: {name: first, namespace: $namespace}
spec:
  databaseRef: {name: main}
  project: "$adopted_project"
  phase: complete
  gates: {shadowSoak: 3s, enforcingSoak: 3s}
END
}

# adopted_wait PHASE: until the status says so.
adopted_wait() {
  local deadline=$((SECONDS + 60))
  while ((SECONDS < deadline)); do
    alive "$demo/operator.pid" >/dev/null || { say "the operator ended by itself"; return 1; }
    if table_read; then
      table_show
      [[ ${phase[$adopted_project]:-} != "$1" ]] || return 0
    fi
    sleep 0.5
  done
  say "$adopted_project is in ${phase[$adopted_project]:-no phase}, expected $1; blocked by ${blocked[$adopted_project]:-nothing}, Ready ${ready[$adopted_project]:-?}"
  return 1
}

adopted_story() {
  adopted_wait "$adopted_end" || return 1
  if [[ $adopted_end == complete ]]; then
    tell "$adopted_project: complete. All gates passed"
  else
    # Long enough for a soak of three seconds to be over: it is not time that is missing.
    sleep 5
    adopted_wait "$adopted_end" || return 1
    [[ ${blocked[$adopted_project]} == *Evidence* ]] || { say "$adopted_project is not blocked by Evidence"; return 1; }
    tell "$adopted_project: stays in $adopted_end, blocked by ${blocked[$adopted_project]}:"
    kubectl_demo --namespace "$namespace" get rlsmigration first \
      -o jsonpath='{range .status.gates[*]}{.message}{"\n"}{end}' | sed '/^$/d; s/^/         /'
  fi
  tell "$adopted_project: spec.phase: pending. Back to the legacy behaviour, in one step"
  quietly kubectl_demo --namespace "$namespace" patch rlsmigration first --type=merge -p '{"spec":{"phase":"pending"}}'
  adopted_wait pending
  table_end
}

# adopted_verify: PostgreSQL's side, and that no password stands in a log.
adopted_verify() {
  local ledgered ledger='adopted,moved,moved'
  [[ $adopted_end != complete ]] || ledger=adopted,moved,moved,moved,moved
  ledgered=$(db postgres app -At -c "SELECT string_agg(kind, ',' ORDER BY ordinal) FROM rls_operator.transition")
  [[ $ledgered == "$ledger" ]] || { echo "the ledger has $ledgered, expected $ledger"; return 1; }
  ! grep -qF -f "$demo/secrets" "$run"/*.log "$demo"/*.log || { echo "a password stands in a log in $run"; return 1; }
}
