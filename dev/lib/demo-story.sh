# shellcheck shell=bash
# The story that dev/quickstart tells: told while it happens and checked at its end. What is particular to each is in
# demo-rollout.sh and demo-phases.sh, as functions <tale>_…: expect, chapters, over, proof, verify.
# Needs demo-table.sh, kubectl_demo, db and namespace.

tale=rollout # or phases

# How it ends: a phase a project. Set by <tale>_expect.
declare -A expected=()
# Whose traffic breaks the isolation. Set by <tale>_expect.
culprit=''
# For a machine that does many things at a time; an idle one needs half a minute.
story_seconds=180

# Chapters that are told once.
declare -A told=()
once() { [[ -z ${told[$1]:-} ]] && told[$1]=1; }

story() {
  local deadline=$((SECONDS + story_seconds)) fresh=$SECONDS project
  local -A before=()
  for project in "${projects[@]}"; do before[$project]=${phase[$project]:-}; done
  told=()
  while ((SECONDS < deadline)); do
    alive "$demo/operator.pid" >/dev/null || { say "the operator ended by itself"; return 1; }
    alive "$demo/traffic.pid" >/dev/null || { tail_of "$demo/traffic.log"; say "the traffic ended by itself"; return 1; }
    table_read || { sleep 1; continue; }
    "${tale}_chapters" || return 1
    table_show
    for project in "${projects[@]}"; do before[$project]=${phase[$project]:-${before[$project]}}; done
    ! story_over || { table_end; echo; return 0; }
    # Counters alone are written to a status once a minute at most. Here nobody wants to
    # wait that long: any new value of this annotation asks for a look now.
    if ((SECONDS - fresh >= 3)) && [[ -n ${object[$culprit]:-} ]]; then
      fresh=$SECONDS
      quietly kubectl_demo --namespace "$namespace" annotate --overwrite rlsmigration "${object[$culprit]}" \
        rls-operator.dev/requested-at="$(date +%FT%TZ)" || true
    fi
    sleep 0.7
  done
  table_end
  say "after $story_seconds s:"
  for project in "${projects[@]}"; do
    [[ ${phase[$project]:-} == "${expected[$project]}" ]] ||
      say "  $project is in ${phase[$project]:-no phase}, expected ${expected[$project]}; blocked by ${blocked[$project]:-nothing}, Ready ${ready[$project]:-?}"
  done
  return 1
}

# story_moves MOVE...: those that moved, such as pending,shadow; together where they did the same.
story_moves() {
  local project was now move meaning
  local -A movers=()
  for project in "${projects[@]}"; do
    # A project that was not looked at yet was in pending.
    was=${before[$project]:-pending} now=${phase[$project]:-}
    [[ -n $now && $now != "$was" ]] || continue
    movers[$was,$now]+=${movers[$was,$now]:+, }$project
  done
  for move in "$@"; do
    [[ -n ${movers[$move]:-} ]] || continue
    now=${move#*,}
    meaning=''
    ! once "meaning of $now" || meaning=$(meaning_of "$now")
    tell "${movers[$move]}: ${move%,*} -> $(name_of "$now")$meaning"
  done
}

# name_of PHASE: in its colour.
name_of() {
  printf '%s%s%s' "${colour[$1]:-}" "$1" "${colour[$1]:+$plain}"
}

meaning_of() {
  case $1 in
    shadow) echo ". Everything still works; what would be denied is recorded" ;;
    enforcing) echo ". No violation in its soak time; now policies block" ;;
    complete) echo ". Proven, declared stable" ;;
  esac
}

# story_brake: when io has come as far as it is to, somebody pulls the brake. $1: that phase.
story_brake() {
  if [[ ${phase[io]:-} == "$1" ]] && once brake; then
    tell "io: somebody pulls the brake: kubectl annotate rlsmigration ${object[io]} rls-operator.dev/hold-at=shadow"
    quietly kubectl_demo --namespace "$namespace" annotate rlsmigration "${object[io]}" rls-operator.dev/hold-at=shadow
  fi
  [[ -n ${told[brake]:-} && ${phase[io]:-} == shadow && ${blocked[io]:-} == *Hold* ]] && once held || return 0
  tell "io: $1 -> $(name_of shadow), at once and without asking any gate; held there: gate Hold"
}

story_over() {
  local project
  for project in "${projects[@]}"; do
    [[ ${phase[$project]:-} == "${expected[$project]}" ]] || return 1
  done
  [[ -n ${told[culprit]:-} && -n ${told[held]:-} ]]
}

# ---- what the tenants see -------------------------------------------------------------

# as_app PROJECT SQL END: in a transaction of the application, which ends with END. Prints
# the result, or the error as the application gets it.
as_app() {
  db app_user app -At 2>&1 <<END
BEGIN;
SELECT set_project_context('$1') \\g /dev/null
$2
$3;
END
}

# proof: the phases as the application role sees them. Fails when it sees anything else.
proof() {
  local failed=0 foreign="FROM nodes WHERE project_id = 'ab'"
  local insert="INSERT INTO documents (project_id, title) VALUES ('ab', 'x')"
  echo "As the application sees it (role app_user):"
  prove sm "reads ab's nodes" "SELECT count(*) $foreign" '0' 'sees none'
  prove sm "reads its own" "SELECT count(*) > 0 FROM nodes WHERE project_id = 'sm'" 't' 'sees them'
  prove sm "writes a document of ab" "$insert" '*row-level security*' 'refused'
  prove sm "changes ab's nodes" "WITH w AS (UPDATE nodes SET label = '' WHERE project_id = 'ab' RETURNING 1) SELECT count(*) FROM w" '0' 'changes none'
  "${tale}_proof"
  echo
  return "$failed"
}

# prove PROJECT TEXT SQL EXPECTED-PATTERN MEANING [COMMIT]: rolled back without the last.
prove() {
  local got
  got=$(as_app "$1" "$3;" "${6:-ROLLBACK}") || true
  # shellcheck disable=SC2053 # a pattern is meant
  if [[ $got == $4 ]]; then
    printf '  %-7s %-9s  %-24s %s%s%s\n' "$1" "${phase[$1]}" "$2" "$bold" "$5" "$plain"
    [[ -z $got || $4 != '*'* ]] || printf '  %-20s%s\n' '' "${got#*ERROR:  }"
  else
    printf '  %-7s %-9s  %-24s %s\n' "$1" "${phase[$1]}" "$2" "WRONG: $got"
    failed=1
  fi
}

# verify: prints expected, PostgreSQL's and the status' phase; fails when they differ, or
# when a password stands in a log.
verify() {
  local project now failed=0 mark
  local -A in_postgres=()
  while IFS='|' read -r project now; do
    in_postgres[$project]=$now
  done < <(db postgres app -At -c 'SELECT project_id, migration_phase FROM rls_migration_status')
  phase=()
  table_read || { say "the API server does not answer"; return 1; }
  printf '%-8s  %-9s  %-10s  %-9s\n' project expected PostgreSQL status
  for project in "${projects[@]}"; do
    mark=ok
    [[ ${in_postgres[$project]:-} == "${expected[$project]}" && ${phase[$project]:-} == "${expected[$project]}" ]] ||
      { mark=WRONG failed=1; }
    printf '%-8s  %-9s  %-10s  %-9s  %s\n' "$project" "${expected[$project]}" "${in_postgres[$project]:--}" "${phase[$project]:--}" "$mark"
  done
  "${tale}_verify" || failed=1
  [[ ${blocked[io]:-} == *Hold* ]] || { echo "io is not blocked by Hold"; failed=1; }
  if grep -qF -f "$demo/secrets" "$run"/*.log "$demo"/*.log; then
    echo "a password stands in a log in $run"
    failed=1
  fi
  return "$failed"
}
