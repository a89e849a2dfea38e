# shellcheck shell=bash
# Shared by every script in dev/: where the checkout is, messages, locks, waiting.
# Source it after `set -euo pipefail`.

# shellcheck disable=SC2034 # used by those who source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck disable=SC2034
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/rls-operator

# Messages go to stderr: stdout belongs to what a command was asked to print.
say() { printf '%s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# usage_error TEXT: for a wrong option; names the way to the help.
usage_error() {
  printf 'error: %s (see %s --help)\n' "$*" "$0" >&2
  exit 2
}

have() { command -v "$1" >/dev/null 2>&1; }

# tail_of FILE: the end of a log, for the message that says a step failed.
tail_of() {
  [[ -s $1 ]] || { say "  ($1 is empty)"; return 0; }
  say "  the end of $1:"
  tail -n "${2:-25}" "$1" | sed 's/^/  | /' >&2
}

# now_ms: milliseconds, for measuring steps.
now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# seconds_since MS: "1.2".
seconds_since() {
  local ms=$(($(now_ms) - $1))
  printf '%d.%d' $((ms / 1000)) $((ms % 1000 / 100))
}

# version_at_least HAVE WANT: compares dotted numbers; a leading v is ignored.
version_at_least() {
  [[ $(printf '%s\n%s\n' "${2#v}" "${1#v}" | sort -V | head -n 1) == "${2#v}" ]]
}

# lock FILE [WAITING-TEXT]: holds FILE until the script ends, on descriptor 9.
# Whatever is started to outlive the script must close it: `cmd 9>&-`.
lock() {
  mkdir -p "$(dirname "$1")"
  exec 9>>"$1"
  flock -n 9 && return 0
  [[ -z ${2:-} ]] || say "$2"
  flock 9
}

# end_tree PID: ends a process and those it started.
end_tree() {
  local child
  for child in $(pgrep -P "$1" 2>/dev/null); do end_tree "$child"; done
  kill "$1" 2>/dev/null || true
}

# with_progress TEXT LOG COMMAND...: runs COMMAND with its output in LOG and tells
# every 20 seconds that it still works, and how far it is if that is ninja. Ends the
# command when this shell is ended.
with_progress() {
  local text=$1 log=$2 started=$SECONDS child status=0 next=20 traps far before=${!-}
  shift 2
  traps=$(trap -p INT TERM HUP)
  # Before it begins, so that at no moment it would be left behind.
  # shellcheck disable=SC2064 # the job before is that of now
  trap "[[ \${!-} == '$before' ]] || end_tree \"\$!\"; exit 130" INT TERM HUP
  "$@" >>"$log" 2>&1 9>&- </dev/null &
  child=$!
  while kill -0 "$child" 2>/dev/null; do
    sleep 0.1
    if ((SECONDS - started >= next)); then
      far=$(tail -n 1 "$log" | sed -n 's#^\[\([0-9]*/[0-9]*\).*#, \1 done#p')
      say "  $text: $((SECONDS - started)) s so far$far"
      next=$((next + 20))
    fi
  done
  wait "$child" || status=$?
  trap - INT TERM HUP
  eval "$traps"
  return "$status"
}
