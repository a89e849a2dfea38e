#!/usr/bin/env bash
# The checks of `dev/test lint`. Prints "ok NAME" or "FAILED NAME" for each.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"

# files PATTERN...: what git tracks, or would if it were added; without git, what is there.
files() {
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard -- "$@" |
      while IFS= read -r file; do [[ ! -f $file ]] || printf '%s\n' "$file"; done
  else
    local names=() pattern
    for pattern; do names+=(-o -name "${pattern##*/}"); done
    find . -path ./build -prune -o -path ./.run -prune -o -type f \( "${names[@]:1}" \) -print | sed 's#^\./##'
  fi
}

status=0
check() {
  local output
  if output=$("check_$1" 2>&1); then
    echo "ok $1"
  else
    printf '%s\n' "$output"
    echo "FAILED $1"
    status=1
  fi
}

check_format() {
  local sources
  mapfile -t sources < <(files '*.cpp' '*.hpp' '*.h')
  ((${#sources[@]})) || return 0
  [[ -e .clang-format ]] || { echo "there is no .clang-format"; return 1; }
  printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" -n 20 clang-format --dry-run -Werror ||
    { echo "to put it right: clang-format -i FILE"; return 1; }
}

check_layers() { dev/check-layers; }

shell_scripts() {
  files '*' | while IFS= read -r file; do
    case $file in
      *.sh) echo "$file" ;;
      *.*) ;;
      *) IFS= read -r first <"$file" && [[ $first == '#!'*bash* ]] && echo "$file" ;;
    esac
  done 2>/dev/null || true
}

check_shell_syntax() {
  local script bad=0
  while IFS= read -r script; do bash -n "$script" || bad=1; done < <(shell_scripts)
  return "$bad"
}

check_shellcheck() {
  local scripts
  mapfile -t scripts < <(shell_scripts)
  ((${#scripts[@]})) || return 0
  # Libraries are read with the scripts that source them.
  mapfile -t scripts < <(grep -l '^#!' "${scripts[@]}")
  shellcheck --external-sources --check-sourced --source-path=SCRIPTDIR --source-path=dev --source-path=tests/dev \
    --severity=warning "${scripts[@]}"
}

# Packages come through the package tools as each machine has them set up, mirrors and
# proxies included; a file that names a registry's host goes around that. The names are
# put together here so that this file is none of them.
check_registry_hosts() {
  local hosts=() dot='\.'
  hosts+=("(proxy|sum)${dot}golang${dot}org" "(deb|security|snapshot)${dot}debian${dot}org")
  hosts+=("pypi${dot}org" "pythonhosted${dot}org" "(static|index)${dot}crates${dot}io" "//crates${dot}io")
  hosts+=("registry${dot}npmjs${dot}" "repo1?${dot}maven${dot}" "repo${dot}maven${dot}apache${dot}")
  local pattern hits
  pattern=$(IFS='|' && echo "${hosts[*]}")
  hits=$(files '*' | tr '\n' '\0' | xargs -0 grep -nIiE "$pattern") || true
  [[ -z $hits ]] || { printf '%s\n' "$hits"; return 1; }
}

check format
check layers
check shell_syntax
check shellcheck
check registry_hosts
exit "$status"
