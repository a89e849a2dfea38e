#!/usr/bin/env bash
# The quickstart's options, and its table without a cluster. The whole of it is run by
# `dev/quickstart --yes --exit-after-demo`.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$checkout/dev/lib/common.sh"
source "$checkout/dev/lib/demo-table.sh"
source "$checkout/dev/lib/demo-story.sh"
source "$checkout/dev/lib/demo-rollout.sh"
source "$checkout/dev/lib/demo-phases.sh"
quickstart=$checkout/dev/quickstart

# What the libraries need, with fixed objects in place of kubectl.
namespace=tenants started=$SECONDS run=/nonexistent demo=/nonexistent/quickstart
kubectl_demo() {
  if [[ $* == *rlsrollout* ]]; then printf '%s\n' "$rollout"; else printf '%s\n' "$objects"; fi
}
colours >/dev/null

test_help_tells_the_options() {
  shows '--exit-after-demo' "$quickstart" --help
  shows '--down' "$quickstart" --help
}

test_unknown_option_is_refused() {
  fails "$quickstart" --fast
  shows "unknown option: --fast" "$quickstart" --fast
  shows "a name is made of" "$quickstart" --name '../x'
}

test_down_without_an_instance_is_fine() {
  shows "nothing there" "$quickstart" --down --name "no-such-$$"
  "$quickstart" --down --name "no-such-$$"
}

test_table_shows_what_the_objects_say() {
  local now objects
  now=$(date +%s)
  objects="sm|sm||complete|shadow|SoakTime|0|$(date -u -d "@$((now - 7))" +%FT%T.123456Z)|True/AwaitingGates
io|io||enforcing|shadow||3||False/DatabaseUnreachable"
  table_read
  same "${phase[sm]} ${wanted[sm]} ${blocked[sm]} ${violations[sm]}" "shadow complete SoakTime 0"
  table_row sm "$now"
  same "$row" "sm       shadow     complete   SoakTime                         0     7s"
  table_row io "$now"
  same "$row" "io       shadow     enforcing  DatabaseUnreachable              3      -"
}

test_a_new_object_keeps_the_phase_it_had() {
  local objects='sm|sm||complete|||||'
  phase[sm]=pending
  table_read
  same "${phase[sm]} ${blocked[sm]}" "pending "
  table_row sm "$(date +%s)"
  same "$row" "sm       pending    complete   -                                -      -"
}

test_unchanged_table_is_not_printed_again() {
  local objects='sm|sm||complete|shadow|SoakTime|0|2020-01-01T00:00:00Z|True/AwaitingGates'
  table_read
  same "$(table_show | grep -c '^sm ')" 1
  table_show >first
  table_show >second
  same "$(cat second)" ""
}

test_no_colours_outside_a_terminal() {
  same "$bold$plain${colour[*]}$table_in_place" "0"
}

test_times_are_short() {
  same "$(short_time 0) $(short_time 59) $(short_time 60) $(short_time 3725)" "0s 59s 1m00s 1h02m"
}

test_those_who_move_together_are_told_together() {
  local objects='sm|sm||complete|shadow||0||True/X
io|io||enforcing|shadow||0||True/X'
  local -A before=()
  for project in "${projects[@]}"; do before[$project]=pending phase[$project]=pending; done
  table_read
  shows "sm, io: pending -> shadow" story_moves pending,shadow
}

test_what_is_not_asked_for_is_not_told() {
  local objects='sm|sm||complete|shadow||0||True/X'
  local -A before=([sm]=pending)
  table_read
  same "$(story_moves shadow,enforcing)" ""
}

test_table_of_a_rollout_has_a_column_for_the_wave() {
  local objects='bap|all-projects-bap-1|three|complete|shadow|Violations,Review|6||True/AwaitingGates'
  table_waves=1
  table_read
  table_row bap "$(date +%s)"
  same "$row" "three  bap      shadow     complete   Violations,Review                6      -"
  shows "wave   project  phase      target     blocked by" table_show
  same "${object[bap]}" all-projects-bap-1
  # A line that wraps would not stay in place.
  table_in_place=1 blocked[bap]=SoakTime,Violations,Transactions,Review
  table_row bap "$(date +%s)"
  same "${#row}" 79
}

# rollout_of PHASE BLOCKED-BY-OF-AA: three is open, of the rest nothing is known.
rollout_of() {
  objects="ab|x-ab-1|three|complete|$1|$2|0||True/X
aa|x-aa-1|three|complete|$1|$2|0||True/X
bap|x-bap-1|three|complete|$1|Violations,Review|6||True/X"
  rollout='False|0/8|wave 3 of 5 (three): waiting for bap
one|Done
three|Open
four|Waiting'
  told=()
  table_read
  rollout_read
}

test_a_wave_that_opens_is_told_once() {
  local objects rollout
  rollout_of pending Group
  same "$(rollout_openings; rollout_openings)" "$(tell "wave three opens: ab aa bap")"
}

test_a_wave_whose_projects_moved_is_open_whatever_the_status_says() {
  local objects rollout
  rollout_of shadow Group
  wave_state[three]=Waiting
  shows "wave three opens" rollout_openings
}

test_a_wave_is_held_back_when_only_the_group_holds_the_others() {
  local objects rollout
  rollout_of shadow Group
  shows "the RlsRollout says: wave 3 of 5 (three): waiting for bap" rollout_held_back
  rollout_of shadow SoakTime,Group
  same "$(rollout_held_back)" ""
}

test_verdicts_are_for_the_kinds_that_were_listed() {
  local demo=$scratch
  printf '%s\n' 'd8c7593fb220a3d9  bap  public.documents INSERT  22×' '    by app_user, application psql' \
    '    INSERT INTO documents (id) VALUES (?);' '4ee17f369c38dd0b  bap  public.nodes UPDATE  22×' >"$demo/rlsctl.out"
  same "$(rollout_kinds)" "d8c7593fb220a3d9
4ee17f369c38dd0b"
}

test_each_story_says_how_all_eight_end() {
  local project tale
  for tale in rollout phases; do
    expected=() culprit=''
    "${tale}_expect"
    for project in "${projects[@]}"; do [[ -n ${expected[$project]:-} ]] || fail "$tale: how does $project end?"; done
    [[ -n $culprit ]] || fail "$tale: who breaks the isolation?"
  done
}

test_traffic_knows_who_may_misbehave() {
  shows "--misbehaves is one of sm motoko" "$checkout/dev/sample/traffic" --database x --misbehaves nobody
  fails "$checkout/dev/sample/traffic" --database x --misbehaves nobody
}

run_tests
