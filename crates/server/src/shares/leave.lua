-- A replica has ended, and says so. KEYS: prefix. ARGV: replica.
local fleet = KEYS[1] .. ':fleet'
if redis.call('HDEL', fleet, 'm:' .. ARGV[1]) == 0 then return 0 end
local kept = redis.call('HGETALL', fleet)
for i = 1, #kept, 2 do
  if string.sub(kept[i], 1, 2) == 'm:' then
    redis.call('HSET', fleet, kept[i], (string.gsub(kept[i + 1], '%d$', '0')))
  end
end
return redis.call('HINCRBY', fleet, 'epoch', 1)
