-- Hands out pages. ARGV: the process, how many at most, how many ms the leases last.
-- Returns whether the crawl is over, in how many ms to ask again, the scope, and of each page its lease and address.
local process = ARGV[1]
-- Lua takes no more arguments than some thousands.
local AT_ONCE = 500
for _, lease in ipairs(redis.call('ZRANGEBYSCORE', key('leases'), '-inf', NOW, 'LIMIT', 0, 100)) do
    take_back(lease, true)
end
local left = redis.call('HMGET', key('meta'), 'requests', 'queued', 'scope', 'token')
local most = math.min(tonumber(ARGV[2]), tonumber(left[1]))
local token = tonumber(left[4] or 0)
local claims = { 0, 0, left[3] }
local handed = 0
while handed < most do
    local name = redis.call('ZRANGEBYSCORE', key('due'), '-inf', NOW, 'LIMIT', 0, 1)[1]
    if not name then break end
    local host = load_host(name)
    local room = math.min(most_of(host) - host.out, most - handed, AT_ONCE)
    local ids = redis.call('LPOP', key('queue:' .. name), room)
    local pages, leases = {}, {}
    for at, packed in ipairs(redis.call('HMGET', key('pages'), unpack(ids))) do
        local page = cmsgpack.unpack(packed)
        handed = handed + 1
        local lease = string.format('%s:%.0f:%s', process, token + handed, ids[at])
        page.state = 'leased'
        pages[2 * at - 1], pages[2 * at] = ids[at], cmsgpack.pack(page)
        leases[2 * at - 1], leases[2 * at] = NOW + ARGV[3], lease
        claims[#claims + 1] = lease
        claims[#claims + 1] = page.urls[page.at]
    end
    redis.call('HSET', key('pages'), unpack(pages))
    redis.call('ZADD', key('leases'), unpack(leases))
    host.out = host.out + #ids
    host.next = math.max(host.next, NOW)
    save_host(name, host)
end
if handed > 0 then
    count('token', handed)
    count('queued', -handed)
    count('requests', -handed)
    tally(process, 'out', handed)
    return claims
end
local wait = 1000
for _, set in ipairs(most > 0 and { 'due', 'leases' } or { 'leases' }) do
    local first = redis.call('ZRANGE', key(set), 0, 0, 'WITHSCORES')[2]
    if first then wait = math.min(wait, tonumber(first) - NOW) end
end
claims[2] = math.max(wait, 0)
if (most <= 0 or tonumber(left[2]) <= 0) and redis.call('ZCARD', key('leases')) == 0 then
    claims[1] = 1
    redis.call('HSETNX', key('meta'), 'ended', NOW)
    -- Nobody needs a crawl for ever that is over.
    for _, name in ipairs(redis.call('HKEYS', key('hosts'))) do
        redis.call('EXPIRE', key('queue:' .. name), 86400)
    end
    for _, name in ipairs({ 'meta', 'pages', 'hosts', 'due', 'records', 'dead', 'processes' }) do
        redis.call('EXPIRE', key(name), 86400)
    end
end
return claims
