import { SLOTS } from './rolling-window.js';

/**
 * What replicas count together, as Lua scripts that Redis runs one at a time: nobody sees half of a call, and time is that of Redis.
 *
 * Of each meter a hash: `s` sum, `f` whether its past is in it, `r:<replica>` what a replica's calls hold, `x:<replica>` what a lost
 * replica held and what counts as used since, `e:<replica>` what a replica may use without asking and until when; of rolling windows also `n` newest bucket, `w` newest one with something in it, and
 * the buckets in a hash of their own; of parts of the calendar `e`, their start. Of concurrency a hash: calls by replica.
 */
const PRELUDE = `
local SLOTS = ${SLOTS}
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
    if bucket <= math.floor(now / meter.b) - SLOTS then return end
    redis.call('HINCRBY', key .. ':b', int(bucket % SLOTS), int(amount))
    if amount > 0 and bucket > tonumber(redis.call('HGET', key, 'w') or 0) then redis.call('HSET', key, 'w', int(bucket)) end
  elseif meter.k == 'calendar' and at and at < meter.e then
    return
  end
  redis.call('HINCRBY', key, 's', int(amount))
end

-- What is used and held of a meter now, its other fields, and what others may use without asking; what is over leaves it on the way.
local function read(key, meter)
  local flat = redis.call('HGETALL', key)
  local hash = {}
  for index = 1, #flat, 2 do hash[flat[index]] = flat[index + 1] end
  local used = tonumber(hash.s or 0)
  if meter.k == 'rolling' then
    local bucket = math.floor(now / meter.b)
    local newest = tonumber(hash.n or 0)
    if bucket > newest then
      if bucket - newest >= SLOTS then
        redis.call('DEL', key .. ':b')
        used = 0
      else
        local slots = {}
        for over = newest + 1, bucket do slots[#slots + 1] = int(over % SLOTS) end
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
  local held, spared = 0, 0
  for field, amount in pairs(hash) do
    if string.sub(field, 1, 2) == 'e:' then
      local spare, untilMs = string.match(amount, '^(%d+) (%d+)$')
      if tonumber(untilMs) <= now then
        redis.call('HDEL', key, field)
      elseif field ~= 'e:' .. ask.me then
        spared = spared + spare
      end
    elseif string.sub(field, 1, 2) == 'r:' then
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
  return used, held, hash, spared
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
  if left <= 0 then return math.max(0, (tonumber(newestFilled or 0) + SLOTS) * meter.b - now) end
  local step = 20
  for first = newest - SLOTS + 1, newest, step do
    local slots = {}
    for bucket = first, math.min(newest, first + step - 1) do slots[#slots + 1] = int(bucket % SLOTS) end
    for index, amount in ipairs(redis.call('HMGET', key .. ':b', unpack(slots))) do
      used = used - (amount or 0)
      if used <= left then return math.max(0, (first + index - 1 + SLOTS) * meter.b - now) end
    end
  end
  return SLOTS * meter.b
end
`;

/**
 * Lets a call begin or not, by every limit that counts for it, and holds what it is expected to use.
 * Answers `[verdict, index, ms until there is room, replicas that live]`, and of each entry: used, held, ms until all of it is left, and what this replica
 * may use for a moment when it gets no answer: a part of what is left of a plan is set aside for each, so that all together never use more.
 * Verdicts: 0 admitted, 1 refused, 2 only held by others, 3 too many at once, 4 a meter lacks its past.
 */
export const ADMIT = `${PRELUDE}
local verdict, which, wait = 0, 0, 0
local replicas = redis.call('ZCOUNT', KEYS[1], now, '+inf')
local states = {}
for index, meter in ipairs(ask.entries) do
  local key = KEYS[index + 1]
  local used, held, reset, spared = 0, 0, 0, 0
  if meter.k == 'concurrency' then
    used = inFlight(key)
    if verdict == 0 and used >= meter.l then verdict, which = 3, index end
  else
    local hash
    used, held, hash, spared = read(key, meter)
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
      else
        local taken = used + spared + (meter.q and 0 or held)
        if taken > used and taken + meter.a > meter.l then verdict, which = 2, index end
      end
    end
  end
  states[index] = { used, held, reset, 0, spared }
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
if not ask.peek then
  for index, meter in ipairs(ask.entries) do
    local state, field = states[index], 'e:' .. ask.me
    local left = meter.p and meter.l - state[1] - state[2] - state[5] or 0
    if verdict == 0 and replicas > 1 and left > 0 then state[4] = math.floor(left / replicas / ask.spareParts) end
    if state[4] > 0 then
      redis.call('HSET', KEYS[index + 1], field, int(state[4]) .. ' ' .. int(now + ask.spareMs))
    elseif meter.p then
      redis.call('HDEL', KEYS[index + 1], field)
    end
  end
end
local reply = { verdict, which, math.ceil(wait), replicas }
for _, state in ipairs(states) do
  for part = 1, 4 do reply[#reply + 1] = int(math.ceil(state[part])) end
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
        if isIn or meter.k == 'rolling' and pair[1] < SLOTS * meter.b then missing = missing + pair[2] end
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
