#!/usr/bin/env bash
# The ways in which helm is obtained, but for the build: with a cache of its own and programs
# that only know their version.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# program FILE VERSION
program() {
  mkdir -p "$(dirname "$1")"
  printf '#!/bin/sh\necho %s\n' "$2" >"$1"
  chmod +x "$1"
}

# find_helm: the program that would be used, with nothing in PATH but path/ and the system's tools.
find_helm() {
  local tool
  mkdir -p path tools
  for tool in bash env sed awk dirname basename sort head tail uname mkdir flock mktemp rm id sleep cat pgrep; do
    ln -sf "$(command -v "$tool")" "tools/$tool"
  done
  # shellcheck disable=SC2016 # for the inner shell
  PATH=$PWD/path:$PWD/tools XDG_CACHE_HOME=$PWD/cache bash -c '
    set -euo pipefail
    for part in common control-plane helm; do source "$1/dev/lib/$part.sh"; done
    helm_find
    echo "$helm_bin"' - "$checkout"
}
built=$(sed -n 's#^[[:space:]]*helm.sh/helm/v3 \(v[0-9.]*\).*#\1#p' "$checkout/dev/helm/go.mod")

test_path_comes_first() {
  program path/helm v3.16.1
  program "cache/rls-operator/tools/helm-$built/helm" "$built"
  same "$(find_helm)" "$PWD/path/helm"
}
test_old_and_other_helms_are_passed_over() {
  program "cache/rls-operator/tools/helm-$built/helm" "$built"
  local version
  for version in v3.9.4 v2.17.0 v4.1.0 nonsense; do
    program path/helm "$version"
    same "$(find_helm)" "$PWD/cache/rls-operator/tools/helm-$built/helm"
  done
}
test_nothing_works() {
  # No Go, and none can be installed.
  fails find_helm
  shows "there is no helm 3.14 or newer in PATH" find_helm
  shows "go is not installed and could not be installed" find_helm
}

run_tests
