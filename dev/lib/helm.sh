# shellcheck shell=bash
# Finds or makes helm. Needs common.sh and control-plane.sh.
# The ways, in this order; the first that gives a helm that is new enough wins:
#   1. PATH
#   2. the cache of an earlier run
#   3. a build from the Go module that dev/helm names (about two minutes, once)

helm_oldest=3.14
helm_built=$(sed -n 's#^[[:space:]]*helm.sh/helm/v3 \(v[0-9.]*\).*#\1#p' "$root/dev/helm/go.mod")
helm_cache=$cache/tools
helm_kept=$helm_cache/helm-$helm_built/helm

# helm_find: sets helm_bin to the program.
helm_find() {
  helm_bin=
  helm_from_path && return 0
  [[ ! -x $helm_kept ]] || { helm_bin=$helm_kept; return 0; }

  # Two runs at the same time build it once.
  lock "$helm_cache/lock" "waiting for another run that builds helm"
  local built=0
  [[ -x $helm_kept ]] || helm_build || built=1
  exec 9>&-
  ((built == 0)) ||
    die "there is no helm $helm_oldest or newer in PATH, and none could be built from its Go module (see above)"
  helm_bin=$helm_kept
}

helm_from_path() {
  local version
  have helm || return 1
  version=$(helm version --template '{{.Version}}' 2>/dev/null) || return 1
  # Helm 4 is another program; the chart is tried with 3.
  [[ $version == v3.* ]] && version_at_least "$version" "$helm_oldest" || return 1
  helm_bin=$(command -v helm)
}

helm_build() {
  local log=$helm_cache/helm-build.log new minor flags package
  local control_plane_modules=$root/dev/helm
  : >"$log"
  control_plane_find_go || { tail_of "$log"; printf '  %s\n' "${control_plane_tried[@]}" >&2; return 1; }
  rm -rf "$helm_cache"/.new.*
  new=$(mktemp -d "$helm_cache/.new.XXXXXX")

  # Without these stamps it would call itself v3.22, and take an API server that it is
  # not connected to (helm template) for a 1.20.
  minor=$(sed -n 's#^[[:space:]]*k8s.io/client-go v0\.\([0-9]*\)\..*#\1#p' "$root/dev/helm/go.mod")
  flags="-s -w -X helm.sh/helm/v3/internal/version.version=$helm_built"
  for package in lint/rules chartutil; do
    flags+=" -X helm.sh/helm/v3/pkg/$package.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/$package.k8sVersionMinor=$minor"
  done

  say "helm: building $helm_built from its Go module; about two minutes on two cores, once"
  control_plane_go_build "fetching the sources" "$log" mod download &&
    control_plane_go_build "helm" "$log" build -ldflags "$flags" -o "$new/helm" helm.sh/helm/v3/cmd/helm ||
    { tail_of "$log"; rm -rf "$new"; return 1; }
  chmod 755 "$new"
  rm -rf "$(dirname "$helm_kept")"
  mv "$new" "$(dirname "$helm_kept")"
}
