# shellcheck shell=bash
# The table of dev/quickstart: a row per project, as `kubectl get rlsmigrations` tells it.
# On a terminal it stays in place and what is told scrolls by above it; elsewhere it is
# printed again when something changed. Needs common.sh, kubectl_demo and namespace.

# In the order of the waves.
projects=(sm motoko ab aa bap echo ea io)

# What was read last, by project. since: when the clean time began, in seconds. object: the RlsMigration's name. wave: the one
# of its rollout, if it has one.
declare -A phase=() wanted=() blocked=() violations=() since=() ready=() object=() wave=()

declare -A colour=() # by phase

table_waves=0 # 1: with a column for the wave
table_in_place=0
table_lines=0 # that stand on the terminal now
table_shown=''

# colours: for stdout, if it is a terminal and nobody minds (R-A8).
colours() {
  bold='' dim='' plain=''
  colour=()
  [[ -t 1 && ${TERM:-dumb} != dumb ]] || return 0
  # On a narrow one the rows would wrap, and then it is not known how far up they begin.
  local columns=0
  read -r _ columns < <(stty size <&1 2>/dev/null) || true
  ((columns < 80)) || table_in_place=1
  [[ -z ${NO_COLOR:-} ]] || return 0
  bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
  colour=([pending]=$'\e[33m' [shadow]=$'\e[34m' [enforcing]=$'\e[38;5;208m' [complete]=$'\e[32m')
}

# One line per object, fields separated by |. A field that is not there yet is empty.
table_template='{{range .items}}{{.spec.project}}|{{.metadata.name}}|{{with .metadata.labels}}{{or (index . "rls-operator.dev/wave") ""}}{{end}}|{{.spec.phase}}|{{with .status}}{{or .phase ""}}|{{or .blockedBy ""}}|{{with .violations}}{{or .total 0}}{{end}}|{{or .cleanSince ""}}|{{range .conditions}}{{if eq .type "Ready"}}{{.status}}/{{.reason}}{{end}}{{end}}{{else}}|||||{{end}}{{"\n"}}{{end}}'

# table_read: fails when the API server does not answer.
table_read() {
  local lines project rest now_in times=() names=() i
  lines=$(kubectl_demo --namespace "$namespace" get rlsmigrations -o go-template="$table_template" 2>/dev/null) || return 1
  while IFS='|' read -r project rest; do
    [[ -n $project ]] || continue
    # shellcheck disable=SC2034 # object is read by the stories
    IFS='|' read -r "object[$project]" "wave[$project]" "wanted[$project]" now_in "blocked[$project]" "violations[$project]" \
      "since[$project]" "ready[$project]" <<<"$rest"
    # A new object has no status yet.
    [[ -z $now_in ]] || phase[$project]=$now_in
    names+=("$project")
  done <<<"$lines"
  # Times as seconds, all by one process; none becomes 0.
  for project in "${names[@]}"; do times+=("${since[$project]:-@0}"); done
  ((${#names[@]})) || return 0
  mapfile -t times < <(printf '%s\n' "${times[@]}" | date --file=- +%s)
  for i in "${!names[@]}"; do since[${names[i]}]=${times[i]}; done
}

# shellcheck disable=SC2034 # object is read by the stories
table_forget() { phase=() wanted=() blocked=() violations=() since=() ready=() object=() wave=(); }

# table_first_frame: before the objects are there, the phases come from PostgreSQL.
table_first_frame() {
  local project now
  table_forget
  while IFS='|' read -r project now; do
    phase[$project]=$now wanted[$project]=''
  done < <(db postgres app -At -c 'SELECT project_id, migration_phase FROM rls_migration_status')
  echo
  table_show
}

# short_time SECONDS: 7s, 2m05s, 3h10m
short_time() {
  if (($1 < 60)); then
    echo "$1s"
  elif (($1 < 3600)); then
    printf '%dm%02ds\n' $(($1 / 60)) $(($1 % 60))
  else
    printf '%dh%02dm\n' $(($1 / 3600)) $(($1 % 3600 / 60))
  fi
}

# table_row PROJECT NOW: sets row, and facts: what must change before it is printed again.
table_row() {
  local project=$1 clean='-' why=${blocked[$1]:-} now_in=${phase[$1]:-none} some
  # When something is wrong that matters more than the gates.
  [[ ${ready[$project]:-True/} == True/* ]] || why=${ready[$project]#*/}
  # pending has no clock: nothing can be violated there.
  if ((${since[$project]:-0} > 0)) && [[ $now_in != pending ]]; then
    clean=$(($2 - ${since[$project]}))
    clean=$(short_time $((clean > 0 ? clean : 0)))
  fi
  some=${violations[$project]:-0}
  # A longer one would wrap.
  ((!table_in_place || ${#why} <= 22)) || why=${why:0:20}..
  row=''
  ((!table_waves)) || printf -v row '%-5s  ' "${wave[$project]:--}"
  printf -v row '%s%-7s  %s%-9s%s  %-9s  %-22s  %10s  %5s' "$row" "$project" \
    "${colour[$now_in]:-}" "${phase[$project]:--}" "${colour[$now_in]:+$plain}" "${wanted[$project]:--}" "${why:--}" \
    "${violations[$project]:--}" "$clean"
  facts="$project ${phase[$project]:-} ${wanted[$project]:-} $why $((some > 0))"
}

table_show() {
  local project now row facts all='' header text
  now=$(date +%s)
  header=''
  ((!table_waves)) || printf -v header '%-5s  ' wave
  printf -v header '%s%s%-7s  %-9s  %-9s  %-22s  %10s  %5s%s' "$bold" "$header" project phase target 'blocked by' violations clean "$plain"
  text=$header
  for project in "${projects[@]}"; do
    table_row "$project" "$now"
    text+=$'\n'$row
    all+=$facts$'\n'
  done
  if ((table_in_place)); then
    # One write, so that it does not flicker.
    ((table_lines == 0)) || text=$'\e['${table_lines}A$'\e[J'$text
    printf '%s\n' "$text"
    table_lines=$((${#projects[@]} + 1))
  elif [[ $all != "$table_shown" ]]; then
    printf '%s\n\n' "$text"
  fi
  table_shown=$all
}

table_erase() {
  ((table_lines == 0)) || printf '\e[%dA\e[J' "$table_lines"
  table_lines=0
}

# tell TEXT: a line of the story; the table, if in place, comes below it again.
tell() {
  table_erase
  printf '%s%2d:%02d%s  %s\n' "$dim" $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)) "$plain" "$1"
  ((!table_in_place)) || table_shown=''
}

# table_end: what comes next stands below the table.
table_end() { table_lines=0; }
