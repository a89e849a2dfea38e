#!/usr/bin/env bash
# The quickstart's options, and its table without a cluster. The whole of it is run by
# `dev/quickstart --yes --exit-after-demo`.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
source "$checkout/dev/lib/common.sh"
source "$checkout/dev/lib/demo-table.sh"
source "$checkout/dev/lib/demo-story.sh"
quickstart=$checkout/dev/quickstart

# What the libraries need, with fixed objects in place of kubectl.
namespace=tenants started=$SECONDS run=/nonexistent demo=/nonexistent/quickstart
kubectl_demo() { printf '%s\n' "$objects"; }
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
  objects="sm|complete|shadow|SoakTime|0|$(date -u -d "@$((now - 7))" +%FT%T.123456Z)|True/AwaitingGates
io|enforcing|shadow||3||False/DatabaseUnreachable"
  table_read
  same "${phase[sm]} ${wanted[sm]} ${blocked[sm]} ${violations[sm]}" "shadow complete SoakTime 0"
  table_row sm "$now"
  same "$row" "sm        shadow     complete   SoakTime                         0         7s"
  table_row io "$now"
  same "$row" "io        shadow     enforcing  DatabaseUnreachable              3          -"
}

test_a_new_object_keeps_the_phase_it_had() {
  local objects='sm|complete|||||'
  phase[sm]=pending
  table_read
  same "${phase[sm]} ${blocked[sm]}" "pending "
  table_row sm "$(date +%s)"
  same "$row" "sm        pending    complete   -                                -          -"
}

test_unchanged_table_is_not_printed_again() {
  local objects='sm|complete|shadow|SoakTime|0|2020-01-01T00:00:00Z|True/AwaitingGates'
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
  local objects='sm|complete|shadow||0||True/X
io|enforcing|shadow||0||True/X'
  local -A before=()
  for project in "${projects[@]}"; do before[$project]=pending phase[$project]=pending; done
  table_read
  shows "sm, io: pending -> shadow" story_moves
}

run_tests
