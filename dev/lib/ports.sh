# shellcheck shell=bash
# Free ports on 127.0.0.1 for several instances that start at the same time.
# Needs common.sh. A port is taken by a file with its number, which names the instance, and
# is stale when that is gone; one process at a time looks and takes. They are below the
# range from which the kernel gives ports to outgoing connections.

ports_dir=${TMPDIR:-/tmp}/rls-operator-ports-$(id -u)
ports_first=20000
ports_count=10000

# port_listened PORT: somebody listens there, on any address.
port_listened() {
  local hex
  printf -v hex '%04X' "$1"
  cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v p=":$hex" '
    $4 == "0A" && substr($2, length($2) - 4) == p { found = 1 }
    END { exit !found }'
}

# take_port RUN-DIR: prints a port that is free and ours.
take_port() {
  local tries port file
  [[ -d $ports_dir ]] || mkdir -m 700 "$ports_dir" 2>/dev/null || [[ -d $ports_dir ]] || die "cannot make $ports_dir"
  # Else a file that is not written yet would pass for a stale one.
  local turn
  exec {turn}>>"$ports_dir/.lock"
  flock "$turn"
  for ((tries = 0; tries < 200; tries++)); do
    port=$((ports_first + (RANDOM * 32768 + RANDOM) % ports_count))
    file=$ports_dir/$port
    # A reservation of an instance that is no more was left by a crash.
    [[ ! -e $file ]] || [[ ! -d $(<"$file") ]] || continue
    ! port_listened "$port" || continue
    echo "$1" >"$file"
    echo "$port"
    exec {turn}>&-
    return 0
  done
  die "no free port found between $ports_first and $((ports_first + ports_count - 1))"
}

# give_ports_back RUN-DIR
give_ports_back() {
  local file
  for file in $(grep -lxF -e "$1" "$ports_dir"/* 2>/dev/null || true); do
    rm -f "$file"
  done
}
