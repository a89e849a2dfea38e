#!/usr/bin/env bash
# clang-tidy for `dev/test tidy`. Prints "ok FILE" or "FAILED FILE" for each source.
# tidy.sh PRESET changed|all
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
preset=$1 which=$2

# What is not on the branch that this one follows; on that branch itself, its last commit.
changed() {
  local base
  base=$(git merge-base HEAD '@{upstream}' 2>/dev/null) || base=
  [[ -n $base && $base != "$(git rev-parse HEAD)" ]] || base=$(git rev-parse --verify --quiet HEAD~1) || base=HEAD
  git diff --name-only --diff-filter=d "$base" -- controller metrics
}
if [[ $which == all ]]; then
  list() { git ls-files -- controller metrics; }
else
  list() { changed; }
fi
mapfile -t files < <(list | grep '\.cpp$' || true)
if ((${#files[@]} == 0)); then
  echo "ok no source has changed"
  exit 0
fi

one() {
  local output
  if output=$(clang-tidy --quiet -p "build/$1" "$2" 2>/dev/null); then
    echo "ok $2"
  else
    printf '%s\nFAILED %s\n' "$output" "$2"
    return 1
  fi
}
export -f one
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one "$@"' _ "$preset" {}
