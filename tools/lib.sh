# shellcheck shell=bash
# Shared by tools/demo and tools/test (sourced by bash): a world of their own on the loopback interface, cleaned up by process id.

world=""
children=()

# Everything a node or client would write or announce stays in a temporary directory and on lo.
make_world() {
  world=$(mktemp -d "${TMPDIR:-/tmp}/pp-world-XXXXXX")
  mkdir -m 0700 "$world/config" "$world/cache" "$world/tmp"
  unset PP_NODES PP_SECRET PP_SECRET_FILE PP_LOCAL_WORKERS PP_DISCOVERY PP_LOG
  export PP_INTERFACES=lo
  PP_DISCOVERY_PORT=$(free_udp_port)
  export PP_DISCOVERY_PORT
  export XDG_CONFIG_HOME=$world/config XDG_CACHE_HOME=$world/cache
  trap end_world EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

end_world() {
  local status=$? pid
  for pid in "${children[@]}"; do
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  [ -z "$world" ] || rm -rf "$world"
  exit $status
}

free_udp_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    grep -qi ":$(printf %04X $port) " /proc/net/udp /proc/net/udp6 2>/dev/null || break
  done
  echo $port
}

# wait_for_line FILE TEXT PID: until the file has the text; fails when the process has ended or 30 s are over.
wait_for_line() {
  local tries
  for ((tries = 0; tries < 600; ++tries)); do
    grep -q -- "$2" "$1" 2>/dev/null && return 0
    kill -0 "$3" 2>/dev/null || return 1
    sleep 0.05
  done
  return 1
}

# build_preset PRESET [TARGET…]: configures quietly, builds, shows the output only when it fails.
build_preset() {
  local preset=$1 log
  shift
  log=$(mktemp)
  local targets=()
  [ $# -eq 0 ] || targets=(--target "$@")
  if ! { cmake --preset "$preset" && cmake --build --preset "$preset" "${targets[@]}"; } >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    rm -f "$log"
    echo "building preset $preset failed" >&2
    return 1
  fi
  rm -f "$log"
}
