-- One report of a replica, and the answer: crates/admission/src/shares says why.
-- The same in Rust is crates/admission/tests/shares/ledger.rs.
--
-- KEYS: prefix. ARGV: replica, turn, epoch, ledger, members, calls since,
-- lease in ms, then for each limit: name, held, wanted, demand, whether the last.
local WHOLE, CALLS_MS, PAUSE_MS, KEPT_MS = 1000000, 2000, 300, 60000
local fleet, calls = KEYS[1] .. ':fleet', KEYS[1] .. ':calls'
local me, turn, epoch, ledger = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local calls_since, lease = tonumber(ARGV[6]), tonumber(ARGV[7])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function int(number) return string.format('%.0f', number) end

local state, members = { id = 0, epoch = 0, last = 0, calm = 0, shut = 0 }, {}
local kept = redis.call('HGETALL', fleet)
for i = 1, #kept, 2 do
  local name = string.match(kept[i], '^m:(.*)$')
  if name then
    local seen, said, acked = string.match(kept[i + 1], '^(%d+) (%d+) (%d)$')
    members[name] = { seen = tonumber(seen), turn = tonumber(said), acked = acked == '1' }
  else
    state[kept[i]] = tonumber(kept[i + 1])
  end
end
if members[me] and turn <= members[me].turn then return {} end

if state.epoch == 0 then
  state.id, state.epoch, state.calm = now * 1000, math.max(epoch, 1), now + lease
  members = {}
  for name in string.gmatch(ARGV[5], '%S+') do members[name] = { seen = now, turn = 0, acked = false } end
elseif now < state.last or now > state.last + PAUSE_MS then
  state.calm = now + lease
  for _, member in pairs(members) do member.seen = now end
end
state.last = now

local changed = false
if now >= state.calm then
  for name, member in pairs(members) do
    if name ~= me and member.seen + lease < now then
      members[name], changed = nil, true
    end
  end
end
if not members[me] then
  members[me], changed = { seen = now, turn = turn, acked = false }, true
end
if epoch > state.epoch then
  state.epoch, state.calm, state.shut, changed = epoch, now + lease, now + lease, true
end
if changed then
  state.epoch = state.epoch + 1
  for _, member in pairs(members) do member.acked = false end
end

local current = epoch == state.epoch and ledger == state.id
members[me].seen, members[me].turn = now, turn
members[me].acked = members[me].acked or current
local open, names = now >= state.shut, {}
for name, member in pairs(members) do
  open = open and member.acked
  names[#names + 1] = name
end
table.sort(names)

local kept_now = {}
for name, value in pairs(state) do
  kept_now[#kept_now + 1], kept_now[#kept_now + 2] = name, int(value)
end
for name, member in pairs(members) do
  local acked = member.acked and '1' or '0'
  kept_now[#kept_now + 1] = 'm:' .. name
  kept_now[#kept_now + 1] = int(member.seen) .. ' ' .. int(member.turn) .. ' ' .. acked
end
redis.call('DEL', fleet)
redis.call('HSET', fleet, unpack(kept_now))

local equal, grants = math.floor(WHOLE / #names), {}
for i = 8, current and #ARGV or 0, 5 do
  local key = KEYS[1] .. ':' .. ARGV[i]
  local held, wanted, last = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 4] == '1'
  local sum, others, of = 0, 0, {}
  local fields = redis.call('HGETALL', key)
  for f = 1, #fields, 2 do
    local at, share, demand = string.match(fields[f + 1], '^(%d+) (%d+) (%d+)$')
    if not members[fields[f]] then
      redis.call('HDEL', key, fields[f])
    elseif tonumber(at) == state.epoch then
      of[fields[f]] = { tonumber(share), tonumber(demand) }
    end
  end
  for _, name in ipairs(names) do
    if name ~= me then
      local theirs = of[name] or { equal, 0 }
      sum, others = sum + theirs[1], others + theirs[2]
    end
  end
  local granted = held
  if open then granted = math.max(held, math.min(wanted, WHOLE - sum)) end
  if last then
    redis.call('HDEL', key, me)
  else
    redis.call('HSET', key, me, int(state.epoch) .. ' ' .. int(granted) .. ' ' .. ARGV[i + 3])
    redis.call('PEXPIRE', key, KEPT_MS)
    if granted < wanted then redis.call('ZADD', calls, now, ARGV[i]) end
  end
  grants[#grants + 1], grants[#grants + 2] = granted, others
end

redis.call('ZREMRANGEBYSCORE', calls, '-inf', '(' .. int(now - CALLS_MS))
local called = redis.call('ZRANGEBYSCORE', calls, int(calls_since), '+inf', 'LIMIT', 0, 1024)
return { state.epoch, state.id, names, open and 1 or 0, now, grants, called }
