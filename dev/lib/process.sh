# shellcheck shell=bash
# Processes that outlive the script that started them.
# A pid file holds "PID START": the kernel gives pids out again, but never with the same
# start time, so a pid file left over from yesterday cannot make us kill a stranger.

# process_start PID: the start time from /proc; fails when there is no such process
# (a zombie counts as none).
process_start() {
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  stat=${stat##*) } # the name in parentheses may contain spaces
  # shellcheck disable=SC2086
  set -- $stat
  [[ $1 != Z && $1 != X ]] || return 1
  echo "${20}"
}

# alive PIDFILE: prints the pid if the very process that was written down still runs.
alive() {
  local pid start
  read -r pid start 2>/dev/null <"$1" || return 1
  [[ $(process_start "$pid") == "$start" ]] || return 1
  echo "$pid"
}

# launch PIDFILE LOG COMMAND...: starts COMMAND away from this terminal.
launch() {
  local pidfile=$1 log=$2 pid
  shift 2
  # setsid, so that Ctrl-C in the terminal that ran `up` does not reach it; it runs
  # COMMAND in its own process, so $! is COMMAND's pid.
  setsid "$@" >>"$log" 2>&1 </dev/null 9>&- &
  pid=$!
  disown "$pid"
  echo "$pid $(process_start "$pid" || echo gone)" >"$pidfile"
}

# gone PIDFILE SECONDS: waits until the process has ended.
gone() {
  local tries=$(($2 * 20))
  while alive "$1" >/dev/null; do
    ((tries-- > 0)) || return 1
    sleep 0.05
  done
}

# stop PIDFILE FIRST-SIGNAL: ends the process, waits until it is gone, removes the file.
stop() {
  local pid
  if pid=$(alive "$1"); then
    kill "-$2" "$pid" 2>/dev/null || true
    if ! gone "$1" 10; then
      warn "$(basename "$1" .pid) (pid $pid) does not end on SIG$2: SIGKILL"
      kill -KILL "$pid" 2>/dev/null || true
      gone "$1" 60 || die "process $pid cannot be ended"
    fi
  fi
  rm -f "$1"
}

# find_process NAME ARGUMENT: the pids of processes called NAME that were started with
# exactly ARGUMENT. Finds those whose pid file was lost.
find_process() {
  local file pid
  for file in $(grep -lzxF -e "$2" /proc/[0-9]*/cmdline 2>/dev/null || true); do
    pid=${file#/proc/}
    pid=${pid%/cmdline}
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) == "$1" ]] && echo "$pid"
  done
  return 0
}
