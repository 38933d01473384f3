#!/usr/bin/env bash
# The servers of benches/peers, read by `run` and `soak`: how each is started, and what
# it is asked. It needs `work` (a folder), `load`, `openclaw`, `here` and `peers`.
#
# Servers are called by their names, serve_NAME and request_NAME; backticks are those of
# the tables:
# shellcheck disable=SC2016,SC2034,SC2154,SC2329

declare -A port=() pid=() second=() title=(
    [nginx_return]='nginx `return 200`'
    [nginx_limit]='nginx `limit_req`'
    [envoy]='Envoy, local rate limit'
    [throttlecrab]='throttlecrab'
    [ratelimit]='envoyproxy/ratelimit + Redis'
    [redis]='Redis'
    [axum]='axum + governor'
    [hyper]='hyper per core + governor'
    [epoll]='bare epoll'
    [http2]='bare h2, decodes nothing'
    [ours]='**openclaw**'
    [adaptive]='**openclaw, adaptive**'
    [memory]='**openclaw**'
    [saved]='**openclaw**, to be started again'
    [soak]='**openclaw**'
)

say() { echo "== $*" >&2; }

has() { command -v "$1" >/dev/null; }

free_port() { "$load" free-port; }

# start NAME: false where its program is missing or it doesn't come up
start() {
    port[$1]=$(free_port)
    second[$1]=$(free_port)
    mkdir -p "$work/$1"
    "serve_$1" >"$work/$1/log" 2>&1 &
    pid[$1]=$!
    if ! "$load" ready --to "127.0.0.1:${port[$1]}" --pid "${pid[$1]}" >/dev/null; then
        say "${title[$1]} is left out: it did not start"
        tail -n 5 "$work/$1/log" >&2
        stop "$1"
        return 1
    fi
}

stop() { # NAME
    if [ -n "${pid[$1]:-}" ]; then
        kill "${pid[$1]}" 2>/dev/null || true
        wait "${pid[$1]}" 2>/dev/null || true
        unset "pid[$1]"
    fi
}

stop_all() {
    local name
    for name in "${!pid[@]}"; do
        stop "$name"
    done
}

# ---- nginx -------------------------------------------------------------------

nginx_settings() { # NAME HTTP LOCATION
    local folder=$work/$1 kind
    cat <<CONF
daemon off; worker_processes 2; worker_rlimit_nofile 65536; pid $folder/pid; error_log stderr crit;
events { worker_connections 4096; }
http {
    access_log off; keepalive_requests 1000000000;
$(for kind in client_body proxy fastcgi uwsgi scgi; do echo "    ${kind}_temp_path $folder/$kind;"; done)
    $2
    server { listen 127.0.0.1:${port[$1]} reuseport; $3 }
}
CONF
}

serve_nginx() { # NAME HTTP LOCATION
    nginx_settings "$@" >"$work/$1/nginx.conf"
    exec nginx -e stderr -c "$work/$1/nginx.conf"
}

serve_nginx_return() { serve_nginx nginx_return '' 'location / { return 200 "ok"; }'; }

# `return` is answered before limits are looked at, so the answer comes from a named location.
serve_nginx_limit() {
    serve_nginx nginx_limit \
        'limit_req_zone $arg_key zone=clients:32m rate=100000r/s; limit_req_status 429;' \
        'location / { limit_req zone=clients burst=100000 nodelay; try_files /none @ok; }
         location @ok { return 200 "ok"; }'
}

# ---- Envoy, with a bucket a client -------------------------------------------

serve_envoy() {
    cat >"$work/envoy/envoy.yaml" <<YAML
static_resources:
  listeners:
    - address: { socket_address: { address: 127.0.0.1, port_value: ${port[envoy]} } }
      filter_chains:
        - filters:
            - name: http
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: http
                generate_request_id: false
                route_config:
                  virtual_hosts:
                    - name: all
                      domains: ["*"]
                      routes:
                        - match: { prefix: / }
                          direct_response: { status: 200, body: { inline_string: ok } }
                http_filters:
                  - name: limit
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
                      stat_prefix: limit
                      token_bucket: { max_tokens: 1000000000, tokens_per_fill: 1000000000, fill_interval: 1s }
                      filter_enabled: { default_value: { numerator: 100 } }
                      filter_enforced: { default_value: { numerator: 100 } }
                      max_dynamic_descriptors: 20000
                      descriptors:
                        - entries: [{ key: client }]
                          token_bucket: { max_tokens: 1000000, tokens_per_fill: 1000000, fill_interval: 1s }
                      rate_limits:
                        - actions: [{ request_headers: { header_name: x-client, descriptor_key: client } }]
                  - name: route
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
YAML
    exec envoy -c "$work/envoy/envoy.yaml" --concurrency 2 --disable-hot-restart -l error
}

request_envoy() { request=(--path / --header 'X-Client: {key}'); }

# ---- throttlecrab ------------------------------------------------------------

serve_throttlecrab() {
    exec throttlecrab-server --log-level error \
        --http --http-host 127.0.0.1 --http-port "${port[throttlecrab]}" \
        --grpc --grpc-host 127.0.0.1 --grpc-port "${second[throttlecrab]}"
}

request_throttlecrab() {
    request=(--path /throttle
        --body '{"key":"{key}","max_burst":100000,"count_per_period":1000000,"period":60}')
}

# ---- envoyproxy/ratelimit, which keeps its counts in Redis -------------------

serve_redis() {
    exec redis-server --bind 127.0.0.1 --port "${port[redis]}" --save '' --appendonly no --loglevel warning
}

serve_ratelimit() {
    mkdir -p "$work/ratelimit/runtime/ratelimit/config"
    cat >"$work/ratelimit/runtime/ratelimit/config/bench.yaml" <<YAML
domain: bench
descriptors: [{ key: client, rate_limit: { unit: minute, requests_per_unit: 1000000000 } }]
YAML
    export HOST=127.0.0.1 PORT=${port[ratelimit]} GRPC_HOST=127.0.0.1 GRPC_PORT=${second[ratelimit]}
    export DEBUG_HOST=127.0.0.1 DEBUG_PORT
    DEBUG_PORT=$(free_port)
    export BACKEND_TYPE=redis REDIS_SOCKET_TYPE=tcp REDIS_URL=127.0.0.1:${port[redis]}
    export RUNTIME_ROOT=$work/ratelimit/runtime RUNTIME_SUBDIRECTORY=ratelimit RUNTIME_WATCH_ROOT=false
    export USE_STATSD=false DISABLE_STATS=true TRACING_ENABLED=false LOG_LEVEL=error
    exec ratelimit
}

request_ratelimit() {
    request=(--path /json
        --body '{"domain":"bench","descriptors":[{"entries":[{"key":"client","value":"{key}"}]}]}')
}

# ---- small servers, of the load itself ---------------------------------------

serve_axum() { exec "$load" serve --kind axum-governor --port "${port[axum]}"; }
serve_hyper() { exec "$load" serve --kind hyper-governor --port "${port[hyper]}"; }
serve_epoll() { exec "$load" serve --kind epoll --port "${port[epoll]}"; }
serve_http2() {
    second[http2]=${port[http2]}
    exec "$load" serve --kind http2 --port "${port[http2]}"
}

# ---- ours --------------------------------------------------------------------

# Far beyond what is asked, so that every decision is an allowed one; nested in a total.
bucket='rate: 100000/s, burst: 100000'
total='total: { rate: 1000000/s, burst: 100000000 }'
# Envoy's descriptors have buckets of their own.
descriptors="descriptors: [{ domain: bench, descriptors: [{ key: client, $bucket }] }]"
static_limits=${LIMITS:-"{ $total, policies: { api: { $bucket } }, $descriptors }"}
adaptive_limits=${ADAPTIVE_LIMITS:-"{ adaptive: on, floor: { rate: 1000/s, burst: 1000 }, ceiling: { $bucket }, $total, policies: { api: { $bucket } } }"}

tenant() { # LIMITS
    cat <<YAML
tenant: acme
limits: $1
receivers: [{ name: nobody }]
route: { receiver: nobody }
YAML
}

settings() { # NAME LIMITS
    mkdir -p "$work/$1/tenants"
    cat >"$work/$1/openclaw.yaml" <<YAML
listen: { http: "127.0.0.1:${port[$1]:-0}", grpc: "127.0.0.1:${second[$1]:-0}" }
YAML
    tenant "$2" >"$work/$1/tenants/acme.yaml"
}

# One key for all of ours: made before they start, and its store copied to each.
make_key() {
    settings key "$static_limits"
    key=$("$openclaw" tenant key add acme --scopes limit --output json --config "$work/key/openclaw.yaml" |
        sed -n 's/.*"key": *"\([^"]*\)".*/\1/p')
    [ -n "$key" ]
}

serve_openclaw() { # NAME LIMITS
    settings "$1" "$2"
    [ -e "$work/$1/data" ] || cp -r "$work/key/data" "$work/$1/data"
    exec "$openclaw" serve --config "$work/$1/openclaw.yaml"
}

serve_ours() { serve_openclaw ours "$static_limits"; }
serve_adaptive() { serve_openclaw adaptive "$adaptive_limits"; }

request_ours() { request=(--path '/api/v1/rate?client={key}'); }
request_adaptive() { request_ours; }
request_auth() { request=(--path /auth --header 'X-OpenClaw-Client: {key}'); }

# Only ours are told our key; it goes by the environment.
authorize() { # NAME
    unset BENCH_HEADER
    case $1 in ours | adaptive | memory | saved | soak) export BENCH_HEADER="Authorization: Bearer $key" ;; esac
}

# Buckets that refill slowly, so that none is full and could be forgotten.
slow_limits=${SLOW_LIMITS:-'{ policies: { api: { rate: 1/h, burst: 100000 } } }'}

serve_saved() { serve_openclaw saved "$slow_limits"; }
serve_memory() { serve_openclaw memory "$slow_limits"; }
serve_soak() { serve_openclaw soak "$static_limits"; }
request_saved() { request_ours; }
request_memory() { request_ours; }

# The parameters of all clients are written anew each second, while it is asked.
rewrite_limits() { # NAME LIMITS
    local turn=0
    while sleep 1; do
        turn=$(((turn + 1) % 10))
        tenant "${2//100000\/s/10000$turn/s}" >"$work/$1/next.yaml"
        mv "$work/$1/next.yaml" "$work/$1/tenants/acme.yaml"
    done
}
