# shellcheck shell=bash
# The PostgreSQL server of one instance. Needs common.sh, process.sh, ports.sh, and
# run: the folder of the instance.

# postgres_find: sets postgres_bin to a folder with postgres and initdb: POSTGRES_BIN,
# else the newest under /usr/lib/postgresql (Debian's place), else PATH.
postgres_find() {
  local dir
  if [[ -n ${POSTGRES_BIN:-} ]]; then
    [[ -x $POSTGRES_BIN/postgres && -x $POSTGRES_BIN/initdb ]] ||
      die "POSTGRES_BIN=$POSTGRES_BIN does not hold postgres and initdb"
    postgres_bin=$POSTGRES_BIN
    return 0
  fi
  for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
    if [[ -x $dir/postgres && -x $dir/initdb ]]; then
      postgres_bin=$dir
      return 0
    fi
  done
  if have postgres && have initdb; then
    postgres_bin=$(dirname "$(command -v postgres)")
    return 0
  fi
  die "PostgreSQL's server is not installed; run: dev/install cluster"
}

# as_postgres COMMAND...: the server refuses to run as root, so root runs it as the user
# postgres, whom Debian's package makes. Replaces this shell's process, so the pid stays.
as_postgres() {
  if ((EUID == 0)); then
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
  fi
  exec "$@"
}

# postgres_home: the folder with the server's files; run/postgres leads to it.
# Ours may lie below a folder that the user postgres cannot enter (/root), so for root
# they are elsewhere.
postgres_home() {
  if [[ -d $run/postgres/ ]]; then
    realpath "$run/postgres"
  elif ((EUID == 0)); then
    local home
    home=$(mktemp -d /var/tmp/rls-operator-postgres.XXXXXX)
    echo "$run" >"$home/instance"
    chown postgres: "$home"
    ln -sfn "$home" "$run/postgres"
    echo "$home"
  else
    mkdir -m 700 "$run/postgres"
    echo "$run/postgres"
  fi
}

# postgres_create: a new server with the superuser postgres and the database app.
# Reached over TCP with a password only, as the operator reaches a real one.
postgres_create() {
  local home log=$run/postgres.log
  if ((EUID == 0)) && ! id -u postgres >/dev/null 2>&1; then
    useradd --system --user-group --no-create-home --shell /usr/sbin/nologin postgres ||
      die "PostgreSQL cannot run as root, and the user postgres could not be made"
  fi
  home=$(postgres_home)
  [[ -e $home/done ]] && return 0
  rm -rf "$home/data"

  [[ -s $run/postgres.password ]] || (umask 077 && openssl rand -hex 16 >"$run/postgres.password")
  # A copy, because the user postgres may be unable to read ours.
  (umask 077 && cp "$run/postgres.password" "$home/password")
  ((EUID != 0)) || chown postgres: "$home/password"

  (cd / && as_postgres "$postgres_bin/initdb" --pgdata="$home/data" --username=postgres \
    --pwfile="$home/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync) \
    >>"$log" 2>&1 9>&- || { tail_of "$log"; die "initdb failed"; }
  rm -f "$home/password"

  cat >>"$home/data/postgresql.conf" <<'END'
# Settings of the test server; safety against power loss is given up for speed.
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 128MB
fsync = off
full_page_writes = off
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %q%u@%d %a '
END

  # Single-user mode: the database is there before anybody can connect, without psql.
  (cd / && echo 'CREATE DATABASE app' |
    as_postgres "$postgres_bin/postgres" --single -D "$home/data" postgres) \
    >>"$log" 2>&1 9>&- || { tail_of "$log"; die "the database app could not be created"; }
  touch "$home/done"
}

# The name of the instance as a setting of its own lets `down` find a server whose pid
# file was lost.
postgres_start() {
  local home
  home=$(postgres_home)
  postgres_forget_dead_server "$home/data"
  postgres_command=("$postgres_bin/postgres" -D "$home/data" -c "port=$postgres_port" -c "rls_operator.instance=$run")
  if ((EUID == 0)); then
    postgres_command=(setpriv --reuid=postgres --regid=postgres --init-groups -- "${postgres_command[@]}")
  fi
  cd / # the user postgres may be unable to enter the present folder
  launch "$run/postgres.pid" "$run/postgres.log" "${postgres_command[@]}"
  cd "$root"
}

# postgres_forget_dead_server DATA: after a server was killed its pid file is left. The
# new one would refuse to start while the old pid still exists, if only as a zombie that
# nobody has collected yet. So wait for the last process that works in DATA, then remove it.
postgres_forget_dead_server() {
  local tries cwd
  [[ -e $1/postmaster.pid ]] || return 0
  for ((tries = 0; tries < 200; tries++)); do
    cwd=$(readlink /proc/[0-9]*/cwd 2>/dev/null | grep -xF -e "$1") || break
    sleep 0.05
  done
  [[ -z $cwd ]] || die "an old PostgreSQL server still works in $1"
  rm -f "$1/postmaster.pid"
}

# The server writes "ready" into the eighth line of its own pid file, whose first line is
# its pid: a file left by a killed server says "ready", too.
postgres_ready() {
  local lines
  mapfile -t lines 2>/dev/null <"$run/postgres/data/postmaster.pid" || return 1
  [[ ${lines[7]:-} =~ ^ready && ${lines[0]} == "$(alive "$run/postgres.pid")" ]]
}

# postgres_remove: the files outside the instance's folder, found by the name of the
# instance in them, so also when the folder with the link is lost.
postgres_remove() {
  local file
  for file in $(grep -lxF -e "$run" /var/tmp/rls-operator-postgres.*/instance 2>/dev/null || true); do
    rm -rf "$(dirname "$file")"
  done
}
