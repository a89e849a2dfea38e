# shellcheck shell=bash
# Finds or makes etcd, kube-apiserver and kubectl. Needs common.sh.
# The ways, in this order; the first that gives a complete set wins:
#   1. KUBEBUILDER_ASSETS, the folder that setup-envtest and others set
#   2. PATH, when all three are there and Kubernetes is new enough
#   3. the cache of an earlier run
#   4. the archive that Kubernetes' controller-tools publish, checked by its SHA-512
#   5. a build from the Go modules in dev/control-plane (about six minutes, once)

control_plane_programs=(etcd kube-apiserver kubectl)
control_plane_oldest=1.32
control_plane_cache=$cache/control-plane
control_plane_modules=$root/dev/control-plane

# The version that is built is the one that go.mod asks for.
control_plane_built=$(sed -n 's#^[[:space:]]*k8s.io/kubernetes \(v[0-9.]*\).*#\1#p' "$root/dev/control-plane/go.mod")

# The archive. Version and sums are those of envtest-releases.yaml in the repository
# kubernetes-sigs/controller-tools; a newer version needs its own sums from there.
# An empty RLS_ENVTEST_URL means: do not download.
envtest_version=${RLS_ENVTEST_VERSION:-v1.36.2}
case $(uname -m) in
  x86_64)
    envtest_arch=amd64
    envtest_sha512=ea743186c8a799f5cf8faf16969f86189d003cb7d130e0ac4b58789f1e5748dcf30ebe91c837a10d5ac415383da3e10b9e64d65785c938c23e739781cfb76f08
    ;;
  aarch64)
    envtest_arch=arm64
    envtest_sha512=2d72ee985a8e262a3c57dc9f7f0fd891f6a8c7bf7ebaa2db6dc6d8eac8ae28181afe51c1f368b67756cdb40b10de9b205609e1726e5f27f7c6d824dd9c6649ac
    ;;
  *)
    envtest_arch=
    envtest_sha512=
    ;;
esac
envtest_sha512=${RLS_ENVTEST_SHA512:-$envtest_sha512}
envtest_archive=envtest-$envtest_version-linux-$envtest_arch.tar.gz
envtest_url=${RLS_ENVTEST_URL-https://github.com/kubernetes-sigs/controller-tools/releases/download/envtest-$envtest_version/$envtest_archive}

# What was tried and why it did not do; shown when nothing worked.
control_plane_tried=()

# control_plane: sets control_plane_bin to the folder that holds the three programs.
control_plane() {
  control_plane_bin=
  control_plane_at_hand && return 0

  # Two runs at the same time make the set once: the second waits and finds it made.
  lock "$control_plane_cache/lock" "waiting for another run that prepares the control plane"
  local found=1
  control_plane_from_cache || control_plane_from_archive || control_plane_from_modules || found=0
  exec 9>&-
  ((found)) && return 0

  {
    echo "error: no control plane (etcd, kube-apiserver, kubectl). Tried:"
    printf '  - %s\n' "${control_plane_tried[@]}"
    echo "Any one of these helps:"
    echo "  - set KUBEBUILDER_ASSETS to a folder with the three programs (Kubernetes $control_plane_oldest or newer),"
    echo "    for example: export KUBEBUILDER_ASSETS=\$(setup-envtest use -p path)"
    echo "  - make $envtest_url reachable,"
    echo "    or set RLS_ENVTEST_URL to a copy of it"
    echo "  - install Go 1.21 or newer and let it reach a Go module proxy (go env GOPROXY)"
  } >&2
  return 1
}

# control_plane_at_hand: the ways that cost nothing.
control_plane_at_hand() {
  control_plane_from_assets || control_plane_from_path || control_plane_from_cache
}

# complete DIR: all three programs are there.
control_plane_complete() {
  local program
  for program in "${control_plane_programs[@]}"; do
    [[ -x $1/$program ]] || return 1
  done
}

control_plane_from_assets() {
  if [[ -z ${KUBEBUILDER_ASSETS:-} ]]; then
    control_plane_tried+=("KUBEBUILDER_ASSETS: not set")
    return 1
  fi
  # Who set it means it: to go on with something else would hide the mistake.
  control_plane_complete "$KUBEBUILDER_ASSETS" ||
    die "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS does not hold all of: ${control_plane_programs[*]}"
  control_plane_bin=$KUBEBUILDER_ASSETS
}

control_plane_from_path() {
  local program missing=() version
  for program in "${control_plane_programs[@]}"; do
    have "$program" || missing+=("$program")
  done
  if ((${#missing[@]})); then
    control_plane_tried+=("PATH: lacks ${missing[*]}")
    return 1
  fi
  version=$(kube-apiserver --version 2>/dev/null | awk '{ print $2 }') || version=
  if [[ -z $version ]] || ! version_at_least "$version" "$control_plane_oldest"; then
    control_plane_tried+=("PATH: its kube-apiserver is ${version:-broken}, older than $control_plane_oldest")
    return 1
  fi
  # The three may lie in different folders; what is needed is one folder for PATH.
  local dir
  dir=$(dirname "$(command -v kube-apiserver)")
  if ! control_plane_complete "$dir"; then
    local set_dir=$control_plane_cache/path-$version
    mkdir -p "$set_dir"
    for program in "${control_plane_programs[@]}"; do
      ln -sfn "$(command -v "$program")" "$set_dir/$program"
    done
    dir=$set_dir
  fi
  control_plane_bin=$dir
}

control_plane_from_cache() {
  local version
  for version in "$control_plane_built" "$envtest_version"; do
    if control_plane_complete "$control_plane_cache/$version"; then
      control_plane_bin=$control_plane_cache/$version
      return 0
    fi
  done
  control_plane_tried+=("cache: nothing complete in $control_plane_cache")
  return 1
}

# A set appears in the cache whole or not at all: it is made in a folder of this name
# beside its place and renamed. We hold the lock, so what an ended run left can go.
control_plane_new_dir() {
  rm -rf "$control_plane_cache"/.new.*
  mktemp -d "$control_plane_cache/.new.XXXXXX"
}

# control_plane_keep NEW VERSION
control_plane_keep() {
  chmod 755 "$1"
  rm -rf "${control_plane_cache:?}/$2"
  mv "$1" "$control_plane_cache/$2"
  control_plane_bin=$control_plane_cache/$2
}

control_plane_from_archive() {
  if [[ -z $envtest_url ]]; then
    control_plane_tried+=("download: switched off (RLS_ENVTEST_URL is empty)")
    return 1
  fi
  if [[ -z $envtest_sha512 ]]; then
    control_plane_tried+=("download: no archive is known for $(uname -m)")
    return 1
  fi
  if ! have curl; then
    control_plane_tried+=("download: curl is not installed")
    return 1
  fi

  say "control plane: downloading $envtest_url"
  local new started=$SECONDS problem sum program
  new=$(control_plane_new_dir)
  # A machine without internet must fall through fast: 5 s to connect, and less than
  # 10 kB/s for 20 s counts as broken.
  if ! problem=$(curl --silent --show-error --fail --location \
    --connect-timeout 5 --speed-limit 10000 --speed-time 20 --retry 0 \
    --output "$new/archive.tar.gz" "$envtest_url" 2>&1 9>&-); then
    rm -rf "$new"
    control_plane_tried+=("download of $envtest_url: ${problem//$'\n'/ }")
    say "  not reachable: ${problem//$'\n'/ }"
    return 1
  fi

  sum=$(sha512sum "$new/archive.tar.gz")
  sum=${sum%% *}
  if [[ $sum != "$envtest_sha512" ]]; then
    rm -rf "$new"
    # No way around this one: somebody changed the archive.
    die "the archive $envtest_url has a wrong checksum and was thrown away
  SHA-512 expected $envtest_sha512
  SHA-512 received $sum"
  fi

  mkdir "$new/set"
  tar -xzf "$new/archive.tar.gz" -C "$new/set" --strip-components=2 --no-same-owner 9>&- ||
    { rm -rf "$new"; die "the archive $envtest_url cannot be unpacked"; }
  for program in "${control_plane_programs[@]}"; do
    [[ -f $new/set/$program ]] ||
      { rm -rf "$new"; die "the archive $envtest_url does not hold controller-tools/envtest/$program"; }
    chmod 755 "$new/set/$program"
  done
  control_plane_keep "$new/set" "$envtest_version"
  rm -rf "$new"
  say "  done in $((SECONDS - started)) s: $control_plane_bin"
}

# control_plane_find_go: sets control_plane_go to a go command that can build Kubernetes, and
# control_plane_toolchain to the GOTOOLCHAIN it needs.
control_plane_find_go() {
  local want version
  if ! have go && ! "$root/dev/install" go; then
    control_plane_tried+=("build: go is not installed and could not be installed")
    return 1
  fi
  control_plane_go=$(command -v go)
  control_plane_toolchain=local
  want=$(awk '$1 == "go" { print $2 }' "$control_plane_modules/go.mod")
  version=$(cd / && GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || version=
  version=${version#go}
  version=${version%% *}
  if version_at_least "${version:-0}" "$want"; then
    return 0
  elif version_at_least "${version:-0}" 1.21; then
    # From 1.21 on, go gets a newer go by itself, as a module.
    control_plane_toolchain=go$want+auto
  else
    # An older one (Debian 12 has 1.19) can still fetch that module.
    control_plane_go_module "$want" && return 0
    control_plane_tried+=("build: go is ${version:-of unknown version}, and go $want could not be fetched as a module")
    return 1
  fi
}

# control_plane_go_module VERSION: the toolchain VERSION out of its module. Modules lose
# the executable bits, and are read-only, so it is copied.
control_plane_go_module() {
  local kept=$control_plane_cache/go$1 new dir os arch
  if [[ ! -x $kept/bin/go ]]; then
    os=$(go env GOOS)
    arch=$(go env GOARCH)
    say "  fetching go $1"
    dir=$(cd / && GOFLAGS='' go mod download -json "golang.org/toolchain@v0.0.1-go$1.$os-$arch" 2>>"$log" 9>&- |
      sed -n 's/^[[:space:]]*"Dir": "\(.*\)",*$/\1/p') && [[ -d $dir ]] || return 1
    new=$(mktemp -d "$control_plane_cache/.new.XXXXXX")
    cp -r --no-preserve=mode "$dir/." "$new" && chmod 755 "$new" "$new"/bin/* "$new/pkg/tool/${os}_$arch"/* || return 1
    mv "$new" "$kept"
  fi
  control_plane_go=$kept/bin/go
}

control_plane_from_modules() {
  local new log=$control_plane_cache/build.log started=$SECONDS
  local version=$control_plane_built minor package flags
  : >"$log"
  control_plane_find_go || { tail_of "$log"; return 1; }

  minor=${version#v1.}
  minor=${minor%%.*}
  new=$(control_plane_new_dir)
  mkdir "$new/set"

  # Without these stamps the programs would call themselves v0.0.0-master.
  flags="-s -w"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor -X $package.gitTreeState=clean"
  done

  say "control plane: building Kubernetes $version and etcd from their Go modules; about 6 minutes on two cores, once"
  control_plane_go_build "fetching the sources" "$log" mod download &&
    control_plane_go_build "etcd" "$log" build -ldflags "$flags" -o "$new/set/etcd" go.etcd.io/etcd/server/v3 &&
    control_plane_go_build "kubectl" "$log" build -ldflags "$flags" -o "$new/set/kubectl" k8s.io/kubernetes/cmd/kubectl &&
    control_plane_go_build "kube-apiserver" "$log" build -ldflags "$flags" -o "$new/set/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver ||
    {
      tail_of "$log"
      rm -rf "$new"
      control_plane_tried+=("build from the Go modules: failed, see above and $log")
      return 1
    }
  control_plane_keep "$new/set" "$version"
  rm -rf "$new"
  say "  done in $((SECONDS - started)) s: $control_plane_bin"
}

# control_plane_go_build TEXT LOG GO-ARGUMENTS...: one go command, with its own settings
# whatever GOFLAGS and go.work the caller has. Go's caches are where Go has them.
control_plane_go_build() {
  local text=$1 log=$2 step=$SECONDS
  shift 2
  (
    cd "$control_plane_modules"
    export CGO_ENABLED=0 GOWORK=off GOTOOLCHAIN=$control_plane_toolchain
    case $1 in
      build) export GOFLAGS="-mod=readonly -trimpath -buildvcs=false" ;;
      *) export GOFLAGS= ;;
    esac
    with_progress "$text" "$log" nice "$control_plane_go" "$@"
  ) || return 1
  say "  $text: $((SECONDS - step)) s"
}
