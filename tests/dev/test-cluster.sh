#!/usr/bin/env bash
# dev/cluster with its genuine servers.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

one=dev-test-$$-one two=dev-test-$$-two
cluster() { "$checkout/dev/cluster" "$@"; }
cleanup() {
  cluster down --name "$one" 2>/dev/null
  cluster down --name "$two" 2>/dev/null
}

# processes NAME: those that belong to the instance, by what they were started with
processes() {
  local file
  for file in $(grep -lzE "[=/]\.run/$1(/|\$)" /proc/[0-9]*/cmdline 2>/dev/null); do
    file=${file%/cmdline}
    case $(cat "$file/comm" 2>/dev/null) in etcd | kube-apiserver | postgres) echo "${file#/proc/}" ;; esac
  done
  grep -lzF -e "$checkout/.run/$1" /proc/[0-9]*/cmdline 2>/dev/null | while IFS= read -r file; do
    file=${file%/cmdline}
    case $(cat "$file/comm" 2>/dev/null) in etcd | kube-apiserver | postgres) echo "${file#/proc/}" ;; esac
  done
}
nothing_left() {
  same "$(processes "$1")" ""
  [[ ! -e $checkout/.run/$1 ]] || fail "$checkout/.run/$1 is still there"
  same "$(grep -lxF -e "$checkout/.run/$1" /var/tmp/rls-operator-postgres.*/instance 2>/dev/null)" ""
}
pid_of() { cut -d ' ' -f 1 "$checkout/.run/$1/$2.pid"; }

test_help_everywhere() {
  local command
  shows "Usage: dev/cluster COMMAND" cluster --help
  for command in up down status env kubeconfig logs binaries; do
    shows "dev/cluster $command" cluster "$command" --help
    shows "Usage:" cluster "$command" --help
  done
  fails cluster
  fails cluster upp
  fails cluster up --nokube
  fails cluster up --name '../x'
  fails cluster up --no-kube --no-postgres
}

test_two_instances_side_by_side() {
  cluster up --name "$one" &
  cluster up --name "$two"
  wait $!
  cluster status --name "$one"
  cluster status --name "$two"

  eval "$(cluster env --name "$one")"
  kubectl create configmap here --from-literal=a=b
  same "$(psql "$DATABASE_URL" -Atc "select current_database(), usesuper from pg_user where usename = current_user")" "app|t"
  psql "$DATABASE_URL" -qc 'create table here()'
  fails psql "${DATABASE_URL/:*@/:wrong@}" -c 'select 1'
  same "$(kubectl version -o json | sed -n 's/.*"gitVersion": "\(v[0-9]*\)\..*/\1/p' | sort -u)" v1

  eval "$(cluster env --name "$two")"
  fails kubectl get configmap here
  fails psql "$DATABASE_URL" -c 'table here'

  # A second up changes nothing.
  local before
  before=$(cluster status --name "$two")
  shows "already up" cluster up --name "$two"
  same "$(cluster status --name "$two")" "$before"

  cluster down --name "$one"
  nothing_left "$one"
  same "$(cluster status --name "$two")" "$before"
  fails cluster status --name "$one"
  fails cluster env --name "$one"
  cluster down --name "$two"
  nothing_left "$two"
  shows "nothing there" cluster down --name "$two"
}

test_users_and_service_accounts() {
  cluster up --name "$one" --no-postgres
  eval "$(cluster env --name "$one")"
  same "$(kubectl auth whoami -o 'jsonpath={.status.userInfo.username}')" admin
  same "$(kubectl --kubeconfig "$checkout/.run/$one/admin-certificate.kubeconfig" auth whoami -o 'jsonpath={.status.userInfo.username}')" admin-certificate

  local user
  for user in alice bob nobody; do
    cluster kubeconfig --name "$one" --user "$user" >"$user"
    same "$(kubectl --kubeconfig "$user" auth whoami -o 'jsonpath={.status.userInfo.username}')" "$user"
    shows Forbidden kubectl --kubeconfig "$user" get secrets
  done

  kubectl create namespace app
  kubectl --namespace app create serviceaccount reader
  kubectl --namespace app create role reader --verb=get,list --resource=configmaps
  kubectl --namespace app create rolebinding reader --role=reader --serviceaccount=app:reader
  cluster kubeconfig --name "$one" --service-account app/reader --duration 1h >reader
  kubectl --kubeconfig reader get configmaps
  shows Forbidden kubectl --kubeconfig reader get secrets
  shows Forbidden kubectl --kubeconfig reader --namespace default get configmaps
  fails cluster kubeconfig --name "$one" --service-account app/absent
  fails cluster kubeconfig --name "$one" --service-account absent
  fails cluster kubeconfig --name "$one" --user absent
}

test_up_heals() {
  cluster up --name "$one"
  eval "$(cluster env --name "$one")"
  kubectl create configmap here
  psql "$DATABASE_URL" -qc 'create table here()'
  local part
  for part in kube-apiserver etcd postgres; do
    kill -KILL "$(pid_of "$one" "$part")"
    fails cluster status --name "$one"
    cluster up --name "$one"
    cluster status --name "$one"
  done
  kubectl get configmap here
  psql "$DATABASE_URL" -qc 'table here'
}

test_halves() {
  cluster up --name "$one" --no-kube
  cluster status --name "$one"
  same "$(cluster env --name "$one" | sed 's/=.*//')" "export DATABASE_URL"
  fails cluster kubeconfig --name "$one"
  # The other half can be added.
  cluster up --name "$one"
  same "$(cluster status --name "$one" | grep -c ' up ')" 3
  same "$(cluster logs --name "$one" postgres | grep -c 'ready to accept connections')" 1
}

test_down_without_pid_files() {
  cluster up --name "$one"
  rm -r "$checkout/.run/$one"
  [[ -n $(processes "$one") ]]
  cluster down --name "$one"
  nothing_left "$one"
}

test_down_spares_strangers() {
  cluster up --name "$one" --no-kube
  sleep 60 &
  local stranger=$!
  # The pid of another process, as if the kernel had given it out again.
  echo "$stranger $(cut -d ' ' -f 2 "$checkout/.run/$one/postgres.pid")" >"$checkout/.run/$one/etcd.pid"
  cluster down --name "$one"
  kill "$stranger" || fail "down ended a stranger"
  nothing_left "$one"
}

test_half_failed_up() {
  # A server that makes its files but does not start.
  local real
  real=$(find /usr/lib/postgresql/*/bin -maxdepth 1 -name postgres | sort -V | tail -n 1)
  chmod 755 .
  mkdir bin
  printf '#!/bin/sh\ncase " $* " in *rls_operator.instance*) echo "FATAL: no luck today" >&2; exit 1;; esac\nexec %s "$@"\n' "$real" >bin/postgres
  # initdb looks for the postgres beside itself.
  printf '#!/bin/sh\nexec %s/initdb "$@"\n' "$(dirname "$real")" >bin/initdb
  chmod +x bin/*
  export POSTGRES_BIN=$PWD/bin
  shows "no luck today" cluster up --name "$one"
  fails cluster status --name "$one"
  same "$(processes "$one")" ""
  cluster down --name "$one"
  nothing_left "$one"
}

test_ports_are_given_once() {
  cat >take <<END
set -euo pipefail
source "$checkout/dev/lib/common.sh"
source "$checkout/dev/lib/ports.sh"
ports_dir=\$PWD/ports ports_count=60
for i in 1 2 3 4 5 6 7 8 9 10; do take_port "\$PWD"; done
END
  local i
  for i in 1 2 3 4; do bash take >"out$i" & done
  wait
  same "$(sort -u out? | wc -l)" 40
}

test_as_an_ordinary_user() {
  ((EUID == 0)) || return 0 # then every other test is this one
  mkdir tree
  cp -r "$checkout/dev" tree/
  chown -R postgres: .
  as_user() { setpriv --reuid=postgres --regid=postgres --clear-groups env HOME="$PWD" timeout 600 "$@"; }
  as_user tree/dev/cluster up --no-kube
  as_user tree/dev/cluster status
  psql "$(as_user tree/dev/cluster env | sed 's/export DATABASE_URL=//')" -qc 'select 1' >/dev/null
  as_user tree/dev/cluster down
  same "$(ls tree/.run)" ""
}

run_tests
