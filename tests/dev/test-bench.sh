#!/usr/bin/env bash
# dev/bench: what it is asked. That it measures takes minutes, and is done by hand.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_help_names_what_is_measured() { shows 'Measures the operator with N RlsMigrations' "$checkout/dev/bench" --help; }
test_without_a_word_it_says_what_there_is() { fails "$checkout/dev/bench"; }
test_a_number_out_of_bounds_is_refused() {
  fails "$checkout/dev/bench" scale --migrations 5
  fails "$checkout/dev/bench" scale --migrations many
}

run_tests
