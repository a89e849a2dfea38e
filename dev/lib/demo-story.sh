# shellcheck shell=bash
# The story that dev/quickstart tells: what is expected of the samples in
# manifests/samples/demo, told while it happens and checked at its end.
# Needs demo-table.sh, kubectl_demo, db and namespace.

# How it ends.
declare -A expected=(
  [sm]=complete      # all the way
  [motoko]=shadow    # wants enforcing; its traffic breaks isolation
  [ab]=enforcing [aa]=enforcing
  [bap]=shadow [echo]=shadow
  [ea]=pending
  [io]=shadow        # was in enforcing, then held
)
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
    story_moves
    story_motoko
    story_io
    table_show
    for project in "${projects[@]}"; do before[$project]=${phase[$project]:-${before[$project]}}; done
    ! story_over || { table_end; echo; return 0; }
    # Counters alone are written to a status once a minute at most. Here nobody wants to
    # wait that long: any new value of this annotation asks for a look now.
    if ((SECONDS - fresh >= 3)); then
      fresh=$SECONDS
      quietly kubectl_demo --namespace "$namespace" annotate --overwrite rlsmigration motoko \
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

# story_moves: those that moved, together where they did the same.
story_moves() {
  local project was now move
  local -A movers=()
  for project in "${projects[@]}"; do
    was=${before[$project]} now=${phase[$project]:-}
    [[ -n $now && $now != "$was" ]] || continue
    movers[$was,$now]+=${movers[$was,$now]:+, }$project
  done
  for move in pending,shadow shadow,enforcing pending,enforcing enforcing,complete shadow,complete; do
    [[ -n ${movers[$move]:-} ]] || continue
    now=${move#*,}
    tell "${movers[$move]}: ${move%,*} -> $(name_of "$now")$(meaning_of "$now")"
  done
}

# name_of PHASE: in its colour.
name_of() {
  printf '%s%s%s' "${colour[$1]:-}" "$1" "${colour[$1]:+$plain}"
}

meaning_of() {
  case $1 in
    shadow) echo ". Everything still works; what would be denied is recorded" ;;
    enforcing) echo ". Ten seconds without a violation; now policies block" ;;
    complete) echo ". Proven, declared stable" ;;
  esac
}

story_motoko() {
  [[ ${phase[motoko]:-} == shadow && ${blocked[motoko]:-} == *Violations* ]] && once motoko || return 0
  tell "motoko: writes other projects' rows, so it stays in $(name_of shadow): gate Violations. Enforcing would have broken it"
}

# story_io: when io has arrived in enforcing, somebody pulls the brake.
story_io() {
  if [[ ${phase[io]:-} == enforcing ]] && once brake; then
    tell "io: somebody pulls the brake: kubectl annotate rlsmigration io rls-operator.dev/hold-at=shadow"
    quietly kubectl_demo --namespace "$namespace" annotate rlsmigration io rls-operator.dev/hold-at=shadow
  fi
  [[ -n ${told[brake]:-} && ${phase[io]:-} == shadow && ${blocked[io]:-} == *Hold* ]] && once held || return 0
  tell "io: enforcing -> $(name_of shadow), at once and without asking any gate; held there: gate Hold"
}

story_over() {
  local project
  for project in "${projects[@]}"; do
    [[ ${phase[$project]:-} == "${expected[$project]}" ]] || return 1
  done
  [[ -n ${told[motoko]:-} && -n ${told[held]:-} ]]
}

# ---- what the tenants see -------------------------------------------------------------

# as_app PROJECT SQL: in a transaction of the application, which is rolled back. Prints
# the result, or the error as the application gets it.
as_app() {
  db app_user app -At 2>&1 <<END
BEGIN;
SELECT set_project_context('$1') \\g /dev/null
$2
ROLLBACK;
END
}

# proof: the phases as the application role sees them. Fails when it sees anything else.
proof() {
  local failed=0 foreign="FROM nodes WHERE project_id = 'ab'" insert="INSERT INTO documents (project_id, title) VALUES ('ab', 'x')"
  echo "As the application sees it (role app_user, every transaction rolled back):"
  prove sm "reads ab's nodes" "SELECT count(*) $foreign" '0' 'sees none'
  prove sm "reads its own" "SELECT count(*) > 0 FROM nodes WHERE project_id = 'sm'" 't' 'sees them'
  prove sm "writes a document of ab" "$insert" '*row-level security*' 'refused'
  prove sm "changes ab's nodes" "WITH w AS (UPDATE nodes SET label = '' WHERE project_id = 'ab' RETURNING 1) SELECT count(*) FROM w" '0' 'changes none'
  prove motoko "writes a document of ab" "$insert" '' 'still works, and is recorded'
  prove ea "writes a document of ab" "$insert" '' 'still works'
  echo
  return "$failed"
}

# prove PROJECT TEXT SQL EXPECTED-PATTERN MEANING
prove() {
  local got
  got=$(as_app "$1" "$3;") || true
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
  [[ ${blocked[motoko]:-} == *Violations* ]] || { echo "motoko is not blocked by Violations"; failed=1; }
  [[ ${blocked[io]:-} == *Hold* ]] || { echo "io is not blocked by Hold"; failed=1; }
  if grep -qF -f "$demo/secrets" "$run"/*.log "$demo"/*.log; then
    echo "a password stands in a log in $run"
    failed=1
  fi
  return "$failed"
}
