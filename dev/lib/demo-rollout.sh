# shellcheck shell=bash
# The story of manifests/samples/demo-rollout: one RlsRollout, whose RlsMigrations the operator makes. See demo-story.sh.

# shellcheck disable=SC2034 # read by demo-story.sh and demo-table.sh
rollout_expect() {
  local project
  culprit=bap
  table_waves=1
  # shellcheck disable=SC2004 # an associative array
  for project in "${projects[@]}"; do expected[$project]=complete; done
  expected[io]=shadow # was complete, then held
}

# Of each wave its state, in their order; and of the whole, how many projects of how many have arrived, and what it waits for.
waves=()
declare -A wave_state=()
rollout_complete='' rollout_done='' rollout_message=''
rollout_template='{{with .status}}{{range .conditions}}{{if eq .type "Complete"}}{{.status}}{{end}}{{end}}|{{or .done ""}}|{{or .message ""}}{{"\n"}}{{range .waves}}{{.name}}|{{.state}}{{"\n"}}{{end}}{{end}}'

rollout_read() {
  local lines name state
  lines=$(kubectl_demo --namespace "$namespace" get rlsrollout all-projects -o go-template="$rollout_template" 2>/dev/null) || return 1
  {
    IFS='|' read -r rollout_complete rollout_done rollout_message || true
    waves=()
    while IFS='|' read -r name state; do waves+=("$name") wave_state[$name]=$state; done
  } <<<"$lines"
}

rollout_chapters() {
  # At the next look, then.
  rollout_read || return 0
  story_moves enforcing,complete shadow,complete shadow,enforcing pending,enforcing
  rollout_openings
  story_moves pending,shadow
  rollout_held_back
  rollout_mended || return 1
  if [[ $rollout_complete == True ]] && once complete; then
    tell "the RlsRollout is Complete: $rollout_done"
  fi
  [[ -z ${told[complete]:-} ]] || story_brake complete
}

rollout_openings() {
  local project name
  for name in "${waves[@]}"; do
    local members=() moved=0
    for project in "${projects[@]}"; do
      [[ ${wave[$project]:-} == "$name" ]] || continue
      members+=("$project")
      # Its own status may be there before that of the rollout.
      [[ ${phase[$project]:-pending} == pending ]] || moved=1
    done
    ((${#members[@]})) || continue
    if { ((moved)) || [[ ${wave_state[$name]} != Waiting ]]; } && once "wave $name"; then
      tell "wave $name opens: ${members[*]}"
    fi
  done
}

# rollout_held_back: two of three could go up, and wait for the one that may not.
rollout_held_back() {
  [[ ${blocked[bap]:-} == *Violations* && ${blocked[ab]:-} == Group && ${blocked[aa]:-} == Group ]] && once culprit || return 0
  tell "bap: writes other projects' rows, so it stays in $(name_of shadow): gate Violations. ab and aa are clean and wait for it: gate Group"
  tell "the RlsRollout says: $rollout_message"
}

# rollout_mended: a person looks at what was recorded, has the application mended, and says so.
rollout_mended() {
  local kinds
  [[ -n ${told[culprit]:-} ]] && once mended || return 0
  rollout_command review list bap
  mapfile -t kinds < <(rollout_kinds)
  tell "bap's application is mended. A person says so, and bap's clean time begins anew:"
  stop "$demo/traffic.pid" TERM
  start_traffic --rate 80 --well-behaved
  rollout_command review fixed "${kinds[@]}" --by "$(id -un)"
}

# rollout_command ARGUMENT...: runs rlsctl, and shows it with what it prints.
rollout_command() {
  local line
  # shellcheck disable=SC2154 # of dev/quickstart
  "$rlsctl" "$@" --database main --namespace "$namespace" >"$demo/rlsctl.out" 2>&1 ||
    { tail_of "$demo/rlsctl.out"; say "rlsctl $1 $2 failed"; return 1; }
  tell "\$ rlsctl $* --database main"
  while IFS= read -r line; do echo "       $line"; done <"$demo/rlsctl.out"
}

# rollout_kinds: of violations, in what rlsctl printed.
rollout_kinds() { grep -oE '^[0-9a-f]{16}' "$demo/rlsctl.out"; }

rollout_proof() {
  prove motoko "reads ab's nodes" "SELECT count(*) > 0 $foreign" 't' 'sees them: it may'
  prove motoko "writes a document of ab" "$insert" '*row-level security*' 'refused'
  # What is rolled back leaves a gap in what is recorded, and the gate Evidence waits for 15 minutes then.
  prove io "writes a document of ab" "$insert" '' 'still works, and is recorded' COMMIT
}

# rollout_verify: the RlsMigrations are of the operator, and the three went up in one transaction, after the verdict.
rollout_verify() {
  local failed=0 made together
  made=$(kubectl_demo --namespace "$namespace" get rlsmigrations -l rls-operator.dev/rollout=all-projects -o name | wc -l)
  [[ $made == "${#projects[@]}" ]] || { echo "the rollout made $made RlsMigrations"; failed=1; }
  together=$(db postgres app -At <<'SQL'
SELECT count(DISTINCT at) || ' ' || bool_and(at > (SELECT max(at) FROM rls_operator.review))
FROM rls_operator.transition WHERE project_id IN ('ab', 'aa', 'bap') AND to_phase = 'enforcing'
SQL
  )
  [[ $together == "1 true" ]] || { echo "ab, aa and bap did not go up together after the verdict: $together"; failed=1; }
  return "$failed"
}
