"""What the stores in Redis do, each in one step of the server: scripts in Lua.

None asks the server what time it is, and no key expires there. All keys that
a script uses are in its ``KEYS``, so that a cluster takes them if the prefix
has a hash tag.
"""

from __future__ import annotations

# ------------------------------------------------------------------------ jobs

JOBS_KEYS = (
    "sequence",  # the number of the latest place
    "ready",  # places, by priority; of equal priorities in the order of their texts
    "delayed",  # keys, by when their delay ends
    "claimed",  # keys, by when their claim expires
    "payloads",  # and so on: of each key
    "priorities",
    "places",
    "deliveries",
    "owners",  # of each key that is claimed
    "owned",  # the key of each owner
)
# A place is a number of 16 digits, a colon, and the key.
_JOBS = """
local sequence, ready, delayed, claimed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local payloads, priorities, places = KEYS[5], KEYS[6], KEYS[7]
local deliveries, owners, owned = KEYS[8], KEYS[9], KEYS[10]
local call = redis.call

local function place(key)
    local number = string.format('%016.0f', call('INCR', sequence))
    call('HSET', places, key, number .. ':' .. key)
end

local function enqueue(key)
    call('ZADD', ready, call('HGET', priorities, key), call('HGET', places, key))
end

local function disown(key)
    call('ZREM', claimed, key)
    call('HDEL', owned, call('HGET', owners, key))
    call('HDEL', owners, key)
end

local function forget(key)
    for _, hash in ipairs({payloads, priorities, places, deliveries}) do
        call('HDEL', hash, key)
    end
end

-- Its owner that it still has.
local function owns(owner, key)
    return call('HGET', owners, key) == owner
end
"""
PUSH = (
    _JOBS
    + """
local key, payload, priority, due, limit = unpack(ARGV)
if call('HEXISTS', payloads, key) == 1 then return 1 end
if limit ~= '' and call('ZCARD', ready) + call('ZCARD', delayed) >= tonumber(limit) then
    return 0
end
call('HSET', payloads, key, payload)
call('HSET', priorities, key, priority)
place(key)
call('ZADD', delayed, due, key)
return 1
"""
)
CLAIM = (
    _JOBS
    + """
local owner, now, until_ = unpack(ARGV)
local key = call('HGET', owned, owner)
if not key then
    for _, each in ipairs(call('ZRANGEBYSCORE', claimed, '-inf', now)) do
        disown(each)
        enqueue(each)
    end
    for _, each in ipairs(call('ZRANGEBYSCORE', delayed, '-inf', now)) do
        enqueue(each)
    end
    call('ZREMRANGEBYSCORE', delayed, '-inf', now)
    local first = call('ZRANGE', ready, 0, 0)[1]
    if not first then return false end
    call('ZREM', ready, first)
    key = string.sub(first, 18)
    call('HSET', owners, key, owner)
    call('HSET', owned, owner, key)
    call('HINCRBY', deliveries, key, 1)
end
call('ZADD', claimed, until_, key)
return {
    key, call('HGET', payloads, key), call('HGET', priorities, key), call('HGET', deliveries, key)
}
"""
)
RENEW = (
    _JOBS
    + """
local key, owner, until_ = unpack(ARGV)
if not owns(owner, key) then return 0 end
call('ZADD', claimed, until_, key)
return 1
"""
)
ACKNOWLEDGE = (
    _JOBS
    + """
local key, owner = unpack(ARGV)
if not owns(owner, key) then return 0 end
disown(key)
forget(key)
return 1
"""
)
RELEASE = (
    _JOBS
    + """
local key, owner, due = unpack(ARGV)
if not owns(owner, key) then return 0 end
disown(key)
place(key)
call('ZADD', delayed, due, key)
return 1
"""
)
REMOVE = (
    _JOBS
    + """
local key = ARGV[1]
local at = call('HGET', places, key)
if not at or call('ZREM', ready, at) + call('ZREM', delayed, key) == 0 then return 0 end
forget(key)
return 1
"""
)
COUNTS = (
    _JOBS
    + """
local now = ARGV[1]
local due = call('ZCOUNT', delayed, '-inf', now) + call('ZCOUNT', claimed, '-inf', now)
return {
    call('ZCARD', ready) + due,
    call('ZCOUNT', delayed, '(' .. now, '+inf'),
    call('ZCOUNT', claimed, '(' .. now, '+inf'),
}
"""
)
# As texts: the server would cut floats to whole numbers.
NEXT_INSTANTS = (
    _JOBS
    + """
local found = {}
for _, each in ipairs({delayed, claimed}) do
    local first = call('ZRANGEBYSCORE', each, '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
    found[#found + 1] = first[2]
end
return found
"""
)
CLEAR_JOBS = (
    _JOBS
    + """
local count = call('HLEN', payloads)
call('DEL', unpack(KEYS))
return count
"""
)

# --------------------------------------------------------------------- records

RECORDS_KEYS = (
    "sequence",  # the number of the latest record
    "versions",  # of each key
    "statuses",
    "values",
    "ranks",
    "members",  # of `with_status`: all with score 0, so in the order of their texts
    "expiring",  # keys, by when they expire
)
# A member is the length of its status, a colon, the status, the rank, and the key. A rank is an
# instant as 16 digits that are in the same order, and a number of 16 digits.
RANK_LENGTH = 32
_RECORDS = """
local sequence, versions, statuses, values = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local ranks, members, expiring = KEYS[5], KEYS[6], KEYS[7]
local call = redis.call

local function beginning(status)
    return #status .. ':' .. status
end

local function member(key)
    return beginning(call('HGET', statuses, key)) .. call('HGET', ranks, key) .. key
end

local function write(key, status, value, expires)
    call('HINCRBY', versions, key, 1)
    call('HSET', statuses, key, status)
    call('HSET', values, key, value)
    call('ZADD', members, 0, member(key))
    if expires ~= '' then call('ZADD', expiring, expires, key) end
end

local function unindex(key)
    call('ZREM', members, member(key))
    call('ZREM', expiring, key)
end

local function remove(key)
    unindex(key)
    for _, hash in ipairs({versions, statuses, values, ranks}) do
        call('HDEL', hash, key)
    end
end

local function row(key)
    return {
        key, call('HGET', versions, key), call('HGET', statuses, key),
        call('HGET', values, key), call('ZSCORE', expiring, key)
    }
end
"""
CREATE = (
    _RECORDS
    + """
local key, status, value, instant, expires = unpack(ARGV)
if call('HEXISTS', versions, key) == 1 then return 0 end
call('HSET', ranks, key, instant .. string.format('%016.0f', call('INCR', sequence)))
write(key, status, value, expires)
return 1
"""
)
GET = (
    _RECORDS
    + """
if call('HEXISTS', versions, ARGV[1]) == 0 then return false end
return row(ARGV[1])
"""
)
SWAP = (
    _RECORDS
    + """
local key, version, status, value, expires = unpack(ARGV)
if call('HGET', versions, key) ~= version then return 0 end
unindex(key)
write(key, status, value, expires)
return 1
"""
)
DELETE = (
    _RECORDS
    + """
if call('HEXISTS', versions, ARGV[1]) == 0 then return 0 end
remove(ARGV[1])
return 1
"""
)
WITH_STATUS = (
    _RECORDS
    + f"""
local status, offset, limit = unpack(ARGV)
local first = '[' .. beginning(status)
local found = call(
    -- A rank begins with a hexadecimal digit, which is below any byte 255.
    'ZREVRANGEBYLEX', members, first .. '\\255', first, 'LIMIT', offset, limit
)
local rows = {{}}
for place, each in ipairs(found) do
    rows[place] = row(string.sub(each, #first + {RANK_LENGTH}))
end
return rows
"""
)
PURGE = (
    _RECORDS
    + """
local found = call('ZRANGEBYSCORE', expiring, '-inf', ARGV[1])
for _, key in ipairs(found) do
    remove(key)
end
return #found
"""
)
COUNT = (
    _RECORDS
    + """
return call('HLEN', versions)
"""
)
CLEAR_RECORDS = (
    _RECORDS
    + """
local count = call('HLEN', versions)
call('DEL', unpack(KEYS))
return count
"""
)
