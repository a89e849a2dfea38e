#!/usr/bin/env bash
# The ways in which the control plane is obtained, with a cache of its own, programs that
# are two-line scripts, and a web server of its own instead of the real archive's.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# programs DIR VERSION: a set that only knows its version
programs() {
  mkdir -p "$1"
  local program
  for program in etcd kube-apiserver kubectl; do
    printf '#!/bin/sh\necho Kubernetes %s\n' "$2" >"$1/$program"
    chmod +x "$1/$program"
  done
}

# archive: archive.tar.gz with the layout of the real one, and sum, its checksum
archive() {
  programs controller-tools/envtest v1.99.0
  tar -czf archive.tar.gz controller-tools
  sum=$(sha512sum archive.tar.gz | cut -d ' ' -f 1)
}

# web_server: serves this folder; sets url. Perl, because every Debian has it.
web_server() {
  perl -MIO::Socket::INET -e '
    my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 9, ReuseAddr => 1) or die;
    open(my $f, ">", "port.new"); print $f $s->sockport; close $f; rename "port.new", "port";
    alarm 900;
    while (my $c = $s->accept) {
      my $line = <$c>; while (defined(my $h = <$c>)) { last if $h =~ /^\r?\n$/ }
      my ($path) = $line =~ m{^GET /(\S+)};
      if (defined $path && open(my $file, "<:raw", $path)) {
        local $/; my $body = <$file>;
        print $c "HTTP/1.0 200 OK\r\nContent-Length: ", length $body, "\r\n\r\n", $body;
      } else { print $c "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n" }
      open(my $log, ">>", "requests"); print $log $line; close $log;
      close $c;
    }' &
  web_pid=$!
  until [[ -e port ]]; do sleep 0.02; done
  url=http://127.0.0.1:$(<port)/archive.tar.gz
}
web_pid=
cleanup() { [[ -z $web_pid ]] || kill "$web_pid"; }

# binaries VARIABLE=VALUE...: dev/cluster binaries without Go and with nothing in PATH but
# the system, so that the only ways left are those that the test opens.
binaries() {
  env -u KUBEBUILDER_ASSETS PATH="$PWD/path:$PWD/tools" XDG_CACHE_HOME="$PWD/cache" RLS_ENVTEST_URL= "$@" \
    "$(command -v bash)" "$checkout/dev/cluster" binaries
}
# tools: what the scripts need from the system, without go, apt and the three programs
tools() {
  mkdir -p path tools
  local tool
  for tool in bash sh env sed awk dirname basename sort head tail uname mkdir flock mktemp rm mv chmod cp curl \
    tar gzip sha512sum cat ln id grep sleep nice pgrep; do
    ln -s "$(command -v "$tool")" "tools/$tool"
  done
}

test_assets_come_first() {
  tools
  programs assets v1.40.0
  programs path v1.40.0
  same "$(binaries KUBEBUILDER_ASSETS="$PWD/assets")" "$PWD/assets"
}
test_incomplete_assets_are_an_error() {
  tools
  programs assets v1.40.0
  programs path v1.40.0
  rm assets/etcd
  fails binaries KUBEBUILDER_ASSETS="$PWD/assets"
  shows "does not hold all of" binaries KUBEBUILDER_ASSETS="$PWD/assets"
}
test_complete_path() {
  tools
  programs path v1.32.0
  same "$(binaries)" "$PWD/path"
}
test_path_in_pieces() {
  tools
  programs path v1.33.1
  mkdir other
  mv path/etcd other/
  ln -s "$PWD/other/etcd" tools/etcd
  local dir
  dir=$(binaries)
  [[ -x $dir/etcd && -x $dir/kubectl && -x $dir/kube-apiserver ]]
}
test_old_path_is_passed_over() {
  tools
  programs path v1.31.9
  fails binaries
  shows "older than 1.32" binaries
}
test_cache() {
  tools
  local version
  version=$(sed -n 's#^[[:space:]]*k8s.io/kubernetes \(v[0-9.]*\).*#\1#p' "$checkout/dev/control-plane/go.mod")
  programs "cache/rls-operator/control-plane/$version" v1.40.0
  same "$(binaries)" "$PWD/cache/rls-operator/control-plane/$version"
}
test_download() {
  tools
  archive
  web_server
  local settings=(RLS_ENVTEST_URL="$url" RLS_ENVTEST_SHA512="$sum" RLS_ENVTEST_VERSION=v1.99.0)
  same "$(binaries "${settings[@]}" 2>/dev/null)" "$PWD/cache/rls-operator/control-plane/v1.99.0"
  same "$(cache/rls-operator/control-plane/v1.99.0/kubectl)" "Kubernetes v1.99.0"
  binaries "${settings[@]}" >/dev/null
  same "$(wc -l <requests)" 1
}
test_two_runs_download_once() {
  tools
  archive
  web_server
  local settings=(RLS_ENVTEST_URL="$url" RLS_ENVTEST_SHA512="$sum" RLS_ENVTEST_VERSION=v1.99.0) first
  binaries "${settings[@]}" &
  first=$!
  binaries "${settings[@]}"
  wait "$first"
  same "$(wc -l <requests)" 1
}
test_wrong_checksum_is_a_failure() {
  tools
  archive
  web_server
  local settings=(RLS_ENVTEST_URL="$url" RLS_ENVTEST_VERSION=v1.99.0)
  fails binaries "${settings[@]}"
  shows "wrong checksum" binaries "${settings[@]}"
  same "$(find cache -type f -name '*.tar.gz' -o -name etcd)" ""
}
test_archive_without_a_program() {
  tools
  archive
  rm controller-tools/envtest/etcd
  tar -czf archive.tar.gz controller-tools
  sum=$(sha512sum archive.tar.gz | cut -d ' ' -f 1)
  web_server
  shows "does not hold controller-tools/envtest/etcd" binaries RLS_ENVTEST_URL="$url" RLS_ENVTEST_SHA512="$sum"
}
test_nothing_works() {
  tools
  web_server
  fails binaries RLS_ENVTEST_URL="${url%archive.tar.gz}absent"
  local text
  for text in "KUBEBUILDER_ASSETS: not set" "PATH: lacks etcd kube-apiserver kubectl" "cache: nothing complete" \
    "404" "build: go is not installed" "Any one of these helps"; do
    shows "$text" binaries RLS_ENVTEST_URL="${url%archive.tar.gz}absent"
  done
}
test_unreachable_server_falls_through_fast() {
  tools
  local started=$SECONDS
  # A port of this machine where nobody listens.
  shows "download of http://127.0.0.1:1/x" binaries RLS_ENVTEST_URL=http://127.0.0.1:1/x
  ((SECONDS - started < 30))
}

run_tests
