# shellcheck shell=bash
# For the tests of the scripts in dev/. A test is a function test_NAME; it fails when a
# check in it fails. `run_tests` at the end of a file runs them all, each in a subshell
# with an empty folder of its own, and prints "ok NAME" or "FAILED NAME".
set -euo pipefail
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# shows TEXT COMMAND...: the command's output has TEXT in it, whatever its exit code.
shows() {
  local text=$1 output
  shift
  output=$("$@" 2>&1) || true
  [[ $output == *"$text"* ]] || fail "expected '$text' in the output of '$*', which is:
$output"
}

# fails COMMAND...
fails() {
  local output
  if output=$("$@" 2>&1); then fail "expected to fail: $*
$output"; fi
}

# same ACTUAL EXPECTED
same() { [[ $1 == "$2" ]] || fail "expected '$2', got '$1'"; }

run_tests() {
  local file test output status=0
  file=$(basename "$0" .sh)
  for test in $(declare -F | sed -n 's/^declare -f test_//p'); do
    # Not in a condition: there `set -e` would have no effect.
    set +e
    output=$(
      set -e
      scratch=$(mktemp -d)
      declare -F cleanup >/dev/null || cleanup() { :; }
      trap 'cleanup; rm -rf "$scratch"' EXIT
      trap 'exit 130' INT TERM
      cd "$scratch"
      "test_$test" 2>&1
    )
    # shellcheck disable=SC2181
    if (($? == 0)); then
      echo "ok $file: $test"
    else
      status=1
      printf '%s\n' "$output"
      echo "FAILED $file: $test"
    fi
    set -e
  done
  return "$status"
}
