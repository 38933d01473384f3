#!/usr/bin/env bash
# Starts `openclaw serve` for a benchmark, with settings made from BENCH_* variables.
#
#   candidate.sh header [TENANT]   prints the request header with a tenant's key: bench or storm
#   candidate.sh                   serves in this process
#
# A key is made once, in the folder BENCH_KEYS, and its store is copied into each new
# data folder: so the header is known before any server has started.
#
#   OPENCLAW=target/release/openclaw       BENCH_KEYS=$HOME/.cache/openclaw-bench/keys
#   BENCH_DATA=folder    BENCH_PORT=8080   BENCH_SINK=http://127.0.0.1:19099/hook
#   BENCH_GROUP_WAIT=1s  BENCH_GROUP_INTERVAL=5s  BENCH_GROUP_BY='["alertname","cluster"]'
#
# The tenant `storm` may send BENCH_STORM_LIMIT new alerts a second (100); `bench` has
# the defaults.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
openclaw=${OPENCLAW:-$root/target/release/openclaw}
keys=${BENCH_KEYS:-${XDG_CACHE_HOME:-$HOME/.cache}/openclaw-bench/keys}

tenant() { # NAME
    cat <<YAML
tenant: $1
receivers: [{ name: sink, webhook_configs: [{ url: "${BENCH_SINK:-http://127.0.0.1:19099/hook}" }] }]
route:
  receiver: sink
  group_by: ${BENCH_GROUP_BY:-[\"alertname\",\"cluster\"]}
  group_wait: ${BENCH_GROUP_WAIT:-1s}
  group_interval: ${BENCH_GROUP_INTERVAL:-5s}
  repeat_interval: 4h
YAML
}

settings() { # FOLDER
    mkdir -p "$1/tenants"
    cat >"$1/openclaw.yaml" <<YAML
listen: { http: "127.0.0.1:${BENCH_PORT:-8080}", grpc: "127.0.0.1:0" }
metrics: { public: true }
YAML
    local limit=${BENCH_STORM_LIMIT:-100}
    tenant bench >"$1/tenants/bench.yaml"
    {
        tenant storm
        echo "limits: { floor: { rate: $limit/s, burst: $limit }, ceiling: { rate: $limit/s, burst: $limit } }"
    } >"$1/tenants/storm.yaml"
}

make_keys() {
    local tenant
    settings "$keys"
    for tenant in bench storm; do
        if [ ! -s "$keys/$tenant.key" ]; then
            "$openclaw" tenant key add "$tenant" --scopes ingest,read,respond --config "$keys/openclaw.yaml" \
                --key-file "$keys/$tenant.key" >&2
        fi
    done
}

serve() {
    settings "$BENCH_DATA"
    make_keys
    if [ ! -e "$BENCH_DATA/data" ]; then
        cp -r "$keys/data" "$BENCH_DATA/data"
    fi
    exec "$openclaw" serve --config "$BENCH_DATA/openclaw.yaml"
}

case ${1:-serve} in
    header)
        make_keys
        echo "Authorization: Bearer $(cat "$keys/${2:-bench}.key")"
        ;;
    serve) serve ;;
    *)
        echo "error: \`$1\` is not a command of candidate.sh: it is \`header\` or nothing" >&2
        exit 2
        ;;
esac
