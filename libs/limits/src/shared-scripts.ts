import { BUCKETS } from './rolling-window.js';

/**
 * What replicas count together, as Lua scripts that Redis runs one at a time: nobody sees half of a call, and time is that of Redis.
 *
 * Of each meter a hash: `s` sum, `f` whether its past is in it, `r:<replica>` what a replica's calls hold, `x:<replica>` what a lost
 * replica held and what counts as used since; of rolling windows also `n` newest bucket, `w` newest one with something in it, and
 * the buckets in a hash of their own; of parts of the calendar `e`, their start. Of concurrency a hash: calls by replica.
 */
const PRELUDE = `
local BUCKETS = ${BUCKETS}
local ask = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function int(number) return string.format('%.0f', number) end

local live
local function isLive(replica)
  if replica == ask.me then return true end
  if not live then
    live = {}
    for _, one in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')) do live[one] = true end
  end
  return live[replica]
end

local function keep(key, meter)
  redis.call('PEXPIRE', key, int(meter.ttl))
  if meter.k == 'rolling' then redis.call('PEXPIRE', key .. ':b', int(meter.ttl)) end
end

local function add(key, meter, amount, at)
  if meter.k == 'rolling' then
    local bucket = math.floor((at or now) / meter.b)
    if bucket <= math.floor(now / meter.b) - BUCKETS then return end
    redis.call('HINCRBY', key .. ':b', int(bucket % BUCKETS), int(amount))
    if amount > 0 and bucket > tonumber(redis.call('HGET', key, 'w') or 0) then redis.call('HSET', key, 'w', int(bucket)) end
  elseif meter.k == 'calendar' and at and at < meter.e then
    return
  end
  redis.call('HINCRBY', key, 's', int(amount))
end

-- What is used and held of a meter now, and its other fields; what is over leaves it on the way.
local function read(key, meter)
  local flat = redis.call('HGETALL', key)
  local hash = {}
  for index = 1, #flat, 2 do hash[flat[index]] = flat[index + 1] end
  local used = tonumber(hash.s or 0)
  if meter.k == 'rolling' then
    local bucket = math.floor(now / meter.b)
    local newest = tonumber(hash.n or 0)
    if bucket > newest then
      if bucket - newest >= BUCKETS then
        redis.call('DEL', key .. ':b')
        used = 0
      else
        local slots = {}
        for over = newest + 1, bucket do slots[#slots + 1] = int(over % BUCKETS) end
        for _, amount in ipairs(redis.call('HMGET', key .. ':b', unpack(slots))) do
          if amount then used = used - amount end
        end
        redis.call('HDEL', key .. ':b', unpack(slots))
      end
      redis.call('HSET', key, 's', int(used), 'n', int(bucket))
    end
  elseif meter.k == 'calendar' and meter.e > tonumber(hash.e or 0) then
    used = 0
    redis.call('HSET', key, 's', '0', 'e', int(meter.e))
  end
  local held = 0
  for field, amount in pairs(hash) do
    if string.sub(field, 1, 2) == 'r:' then
      local replica = string.sub(field, 3)
      if isLive(replica) then
        held = held + amount
      else
        -- Nobody knows what became of a lost replica's calls: of a plan they count as used until it tells.
        redis.call('HDEL', key, field)
        if meter.p and tonumber(amount) > 0 then
          add(key, meter, tonumber(amount))
          redis.call('HINCRBY', key, 'x:' .. replica, amount)
          used = used + amount
        end
      end
    end
  end
  return used, held, hash
end

local function inFlight(key)
  local sum = 0
  local flat = redis.call('HGETALL', key)
  for index = 1, #flat, 2 do
    if isLive(flat[index]) then sum = sum + flat[index + 1] else redis.call('HDEL', key, flat[index]) end
  end
  return sum
end

-- Gives back what counted as used while this replica was lost.
local function giveBack(key, meter)
  local amount = tonumber(redis.call('HGET', key, 'x:' .. ask.me) or 0)
  if amount == 0 then return end
  redis.call('HDEL', key, 'x:' .. ask.me)
  if meter.k ~= 'rolling' then redis.call('HINCRBY', key, 's', int(-amount)) end
end

-- Milliseconds until no more than so much of what is used is left.
local function untilAtMost(key, meter, used, left, newestFilled)
  if used <= left then return 0 end
  if meter.k == 'calendar' then return 0 end
  if meter.k == 'total' then return -1 end
  local newest = math.floor(now / meter.b)
  if left <= 0 then return math.max(0, (tonumber(newestFilled or 0) + BUCKETS) * meter.b - now) end
  local step = 20
  for first = newest - BUCKETS + 1, newest, step do
    local slots = {}
    for bucket = first, math.min(newest, first + step - 1) do slots[#slots + 1] = int(bucket % BUCKETS) end
    for index, amount in ipairs(redis.call('HMGET', key .. ':b', unpack(slots))) do
      used = used - (amount or 0)
      if used <= left then return math.max(0, (first + index - 1 + BUCKETS) * meter.b - now) end
    end
  end
  return BUCKETS * meter.b
end
`;

/**
 * Lets a call begin or not, by every limit that counts for it, and holds what it is expected to use.
 * Answers `[verdict, index, ms until there is room]`, and of each entry: used, held, ms until all of it is left.
 * Verdicts: 0 admitted, 1 refused, 2 only held by others, 3 too many at once, 4 a meter lacks its past.
 */
export const ADMIT = `${PRELUDE}
local verdict, which, wait = 0, 0, 0
local states = {}
for index, meter in ipairs(ask.entries) do
  local key = KEYS[index + 1]
  local used, held, reset = 0, 0, 0
  if meter.k == 'concurrency' then
    used = inFlight(key)
    if verdict == 0 and used >= meter.l then verdict, which = 3, index end
  else
    local hash
    used, held, hash = read(key, meter)
    reset = untilAtMost(key, meter, used, 0, hash.w)
    if meter.p and hash.f ~= '1' then
      -- From here on it counts what comes; what was before is looked up by whoever is told so.
      redis.call('HSETNX', key, 'f', '0')
      keep(key, meter)
      if verdict ~= 4 then verdict, which = 4, index end
    elseif verdict == 0 then
      if meter.q and used + meter.a > meter.l or not meter.q and used >= meter.l then
        verdict, which = 1, index
        wait = untilAtMost(key, meter, used, math.max(0, meter.l - math.max(1, meter.a)), hash.w)
      elseif held > 0 and used + held + meter.a > meter.l then
        verdict, which = 2, index
      end
    end
  end
  states[index] = { used, held, reset }
end
if verdict == 0 and not ask.peek then
  for index, meter in ipairs(ask.entries) do
    local key = KEYS[index + 1]
    if meter.k == 'concurrency' then
      redis.call('HINCRBY', key, ask.me, 1)
      redis.call('PEXPIRE', key, int(meter.ttl))
    elseif meter.q then
      add(key, meter, 1)
      keep(key, meter)
      states[index][1] = states[index][1] + 1
    elseif meter.a > 0 then
      redis.call('HINCRBY', key, 'r:' .. ask.me, int(meter.a))
      keep(key, meter)
      states[index][2] = states[index][2] + meter.a
    end
  end
end
local reply = { verdict, which, math.ceil(wait) }
for _, state in ipairs(states) do
  for part = 1, 3 do reply[#reply + 1] = int(math.ceil(state[part])) end
end
return reply`;

/** Gives back what a call held (\`h\`), and counts what it used (\`a\`). */
export const SETTLE = `${PRELUDE}
for index, meter in ipairs(ask.entries) do
  local key = KEYS[index + 1]
  if meter.k == 'concurrency' then
    if redis.call('HINCRBY', key, ask.me, -1) <= 0 then redis.call('HDEL', key, ask.me) end
  else
    local _, _, hash = read(key, meter)
    if meter.h > 0 and redis.call('HINCRBY', key, 'r:' .. ask.me, int(-meter.h)) <= 0 then
      redis.call('HDEL', key, 'r:' .. ask.me)
    end
    -- A meter without its past gets this with it.
    if meter.a > 0 and (hash.f or not meter.p) then add(key, meter, meter.a) end
    keep(key, meter)
  end
end`;

/** Adds what was used before (\`past\`: pairs of age in ms and amount): to meters that lack their past, or (\`more\`) in any case. */
export const FILL = `${PRELUDE}
for index, meter in ipairs(ask.entries) do
  local key = KEYS[index + 1]
  local _, _, hash = read(key, meter)
  if ask.isFresh then
    redis.call('HDEL', key, 'r:' .. ask.me)
    giveBack(key, meter)
    -- What this replica's calls had used when it died is in the log, and nowhere else.
    if hash.f == '1' then
      local missing = -read(key, meter)
      for _, pair in ipairs(meter.past) do
        local isIn = meter.k == 'total' or meter.k == 'calendar' and now - pair[1] >= meter.e
        if isIn or meter.k == 'rolling' and pair[1] < BUCKETS * meter.b then missing = missing + pair[2] end
      end
      if missing > 0 then add(key, meter, missing) end
    end
  end
  if ask.isRecount then
    redis.call('DEL', key .. ':b')
    redis.call('HSET', key, 's', '0')
    hash.f = nil
  end
  -- What a meter without its past was not told of is in the log.
  if ask.more and (hash.f or not meter.p) or not ask.more and hash.f ~= '1' then
    for _, pair in ipairs(meter.past) do add(key, meter, pair[2], now - pair[1]) end
    if not ask.more then redis.call('HSET', key, 'f', '1') end
  end
  keep(key, meter)
end`;

/**
 * Says that this replica lives, and what its calls hold of the given meters in all. Answers the mark that Redis was given when it
 * was empty, and the replicas that live.
 */
export const BEAT = `${PRELUDE}
redis.call('ZADD', KEYS[1], int(now + ask.lease), ask.me)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', int(now - 1))
redis.call('SET', KEYS[2], ask.mark, 'NX')
for index, meter in ipairs(ask.entries) do
  local key = KEYS[index + 2]
  local field = ask.me
  if meter.k ~= 'concurrency' then
    field = 'r:' .. ask.me
    giveBack(key, meter)
  end
  if meter.h > 0 then
    redis.call('HSET', key, field, int(meter.h))
    redis.call('PEXPIRE', key, int(meter.ttl))
  else
    redis.call('HDEL', key, field)
  end
end
local reply = { redis.call('GET', KEYS[2]) }
for _, replica in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do reply[#reply + 1] = replica end
return reply`;
