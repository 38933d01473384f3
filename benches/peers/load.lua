-- What wrk sends: PEERS_REQUEST with {key} replaced, clients in random order.
-- wrk calls these functions by their names.
local threads = 0

function setup(thread)
    threads = threads + 1
    thread:set("number", threads)
end

function init()
    local template = os.getenv("PEERS_REQUEST")
    clients = tonumber(os.getenv("PEERS_CLIENTS"))
    requests = {}
    for client = 1, clients do
        local name = string.format("client-%07d", client - 1)
        requests[client] = template:gsub("{key}", name)
    end
    math.randomseed(number * 7919)
end

function request()
    return requests[math.random(clients)]
end

function done(summary, latency)
    local e = summary.errors
    local refused = e.status + e.connect + e.read + e.write + e.timeout
    local p = function(share) return latency:percentile(share) end
    io.write(string.format("FIGURES %d %d %d %d %d %d %d\n", summary.requests, summary.duration, refused,
        p(50), p(95), p(99), p(99.9)))
end
