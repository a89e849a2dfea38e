#!/usr/bin/env bash
# The targets of `dev/test fuzz`: fuzz.sh [--seconds N] [--jobs N] [REGEX]. Prints "ok NAME …" or "FAILED NAME" for
# each, and after a failure where the input is that broke it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

seconds=60
jobs=1
while [[ ${1:-} == --* ]]; do
  case $1 in
    --seconds) seconds=$2 ;;
    --jobs) jobs=$2 ;;
    *) usage_error "unknown option: $1" ;;
  esac
  shift 2
done

# run_target NAME: first the kept corpus, each input once; then new ones, which stay in build/.
run_target() {
  local name=$1 program=build/fuzz/tests/fuzz/fuzz_$1 found=build/fuzz/found/$1 log=build/fuzz/$1.log
  local options=(-timeout=20 -rss_limit_mb=2048 -max_len=4096 -print_final_stats=1 -artifact_prefix="$found-")
  mkdir -p "$found"
  if "$program" "${options[@]}" -runs=0 "tests/fuzz/corpus/$name" >"$log" 2>&1 &&
    { ((seconds == 0)) || "$program" "${options[@]}" -seed="${RLS_FUZZ_SEED:-1}" -max_total_time="$seconds" "$found" "tests/fuzz/corpus/$name" >>"$log" 2>&1; }; then
    echo "ok $name $(grep -a '^stat::number_of_executed_units:' "$log" | awk '{n += $2} END {print n + 0}') runs"
  else
    # One write, as others print meanwhile.
    printf '%s\nFAILED %s; the whole output is in %s\n' \
      "$(grep -aE 'does not hold|ERROR|SUMMARY|Test unit written|No such file' "$log")" "$name" "$log"
    return 1
  fi
}

targets=()
for source in tests/fuzz/corpus/*; do
  name=${source##*/}
  [[ ! $name =~ ${1:-} ]] || targets+=("$name")
done
((${#targets[@]})) || die "no target matches ${1:-}"

export -f run_target
export seconds
printf '%s\0' "${targets[@]}" | xargs -0 -P "$jobs" -I{} bash -euo pipefail -c 'run_target {}'
