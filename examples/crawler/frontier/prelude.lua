-- What all scripts of the frontier begin with. Each script is one atomic step.
--
-- Keys, below a prefix that names the crawl:
--   meta       hash: the settings, the scope, and counts
--   pages      hash: the SHA-1 of a page's canonical address -> what is known of it
--   queue:HOST list: the pages of a host that wait to be fetched
--   hosts      hash: a host -> how many of its pages are out, when it may be asked next, its delay
--   due        sorted set: the hosts that have a page to hand out, by the time from which they may be asked
--   leases     sorted set: "process:token:page" of each page that is out, by the time at which the lease runs out
--   records    list: what came of each page, in the order in which the reports came
--   dead       list: the pages that were given up
--   processes  hash: counts of each process
--
-- A page has the states far (too many redirects away), queued, leased, had, redirect, out (a redirect that leaves the
-- crawl) and failed. The rules are those of `clerk.rs`, which reads the records in the end. Both must decide alike.

local FAR = 4294967295
local MOST_SPELLINGS = 16
local BYTES_EACH = 256
-- How often a page comes back from a crawler that has lost it.
local MOST_RETURNS = 5

local clock = redis.call('TIME')
local NOW = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- The time after a pause, rounded up: the clock is cut to whole ms.
local function after(pause) return pause > 0 and NOW + pause + 1 or NOW end

local function key(name) return KEYS[1] .. name end

local function count(name, by) return redis.call('HINCRBY', key('meta'), name, by) end

local function tally(process, name, by) redis.call('HINCRBY', key('processes'), process .. ':' .. name, by) end

local settings = redis.call('HMGET', key('meta'), 'max_redirects', 'per_host', 'delay')
if not settings[1] and ARGV[1] ~= 'open' then
    return redis.error_reply('GONE the crawl is no longer there: was this Redis emptied, or does it evict keys?')
end
local MAX_REDIRECTS = tonumber(settings[1])
local PER_HOST = tonumber(settings[2])
local DELAY = tonumber(settings[3])

local function load_page(id)
    local page = redis.call('HGET', key('pages'), id)
    return page and cmsgpack.unpack(page)
end

local function save_page(id, page) redis.call('HSET', key('pages'), id, cmsgpack.pack(page)) end

local function load_host(name)
    local host = redis.call('HGET', key('hosts'), name)
    -- No delay means that it isn't known yet.
    return host and cmsgpack.unpack(host) or { out = 0, next = 0, delay = -1 }
end

-- How many of a host's pages may be out. A host that wants a delay takes one request at a time, and so does a host that
-- isn't known yet.
local function most_of(host) return (host.delay == 0 and DELAY == 0) and PER_HOST or 1 end

-- Saves a host. It is due if it has a page, and if it can take one more request.
local function save_host(name, host)
    redis.call('HSET', key('hosts'), name, cmsgpack.pack(host))
    if host.out < most_of(host) and redis.call('EXISTS', key('queue:' .. name)) == 1 then
        redis.call('ZADD', key('due'), host.next, name)
    else
        redis.call('ZREM', key('due'), name)
    end
end

-- A page of this host is no longer out.
local function free_host(name, host)
    host.out = host.out - 1
    host.next = math.max(host.next, after(math.max(host.delay, DELAY)))
    save_host(name, host)
end

-- The place of a page in its host's queue.
local function enqueue(id, page, spelling, push)
    page.state = 'queued'
    page.at = spelling
    save_page(id, page)
    redis.call(push, key('queue:' .. page.host), id)
    count('queued', 1)
    save_host(page.host, load_host(page.host))
end

-- Whether there is room to remember one more address.
local function make_room(canonical, url)
    local needed = #canonical + #url + BYTES_EACH
    if tonumber(redis.call('HGET', key('meta'), 'bytes')) < needed then return false end
    count('bytes', -needed)
    return true
end

-- Lowers the number of redirects that lead to a page, along its chain of redirects. Queues what comes within reach.
local function come_closer(id, page, spelling, hops)
    while hops < page.hops do
        page.hops = hops
        if page.state == 'far' and hops <= MAX_REDIRECTS then return enqueue(id, page, spelling, 'RPUSH') end
        save_page(id, page)
        if page.state ~= 'redirect' then return end
        id, spelling, hops = page.to, page.to_at, hops + 1
        page = load_page(id)
    end
end

-- Notes that an address can be reached by so many redirects from a link. Returns its page and which spelling it is, or
-- nothing if there is no room.
local function discover(canonical, url, hops)
    local id = redis.sha1hex(canonical)
    local page = load_page(id)
    local spelling
    if page then
        for at, known in ipairs(page.urls) do
            if known == url then spelling = at end
        end
        if not spelling and #page.urls == MOST_SPELLINGS then spelling = 1 end
        if not spelling then
            if not make_room(canonical, url) then return nil end
            spelling = #page.urls + 1
            page.urls[spelling] = url
            page.failed[spelling] = false
            if page.state == 'failed' then
                enqueue(id, page, spelling, 'RPUSH')
            else
                save_page(id, page)
            end
        end
    else
        if not make_room(canonical, url) then return nil end
        spelling = 1
        local host = string.match(canonical, '^[^:]*://([^/?#]*)') or ''
        page = { host = host, urls = { url }, failed = { false }, hops = FAR, state = 'far', returns = 0 }
        save_page(id, page)
    end
    come_closer(id, page, spelling, hops)
    return id, spelling
end

-- Notes that a spelling can't be fetched. Goes on with the next one that a link uses.
local function fail(id, page)
    page.failed[page.at] = true
    for at, failed in ipairs(page.failed) do
        if not failed then return enqueue(id, page, at, 'RPUSH') end
    end
    page.state = 'failed'
    save_page(id, page)
end

-- Ends a lease. Returns the process and the page, or nothing if the lease has run out.
local function end_lease(lease)
    if redis.call('ZREM', key('leases'), lease) == 0 then return nil end
    local process, id = string.match(lease, '^(%d+):%d+:(.*)$')
    tally(process, 'out', -1)
    return process, id
end

-- Takes a page back from a process. One that was lost too often is given up.
local function take_back(lease, lost)
    local process, id = end_lease(lease)
    if not process then return end
    local page = load_page(id)
    free_host(page.host, load_host(page.host))
    if lost then page.returns = page.returns + 1 end
    if page.returns <= MOST_RETURNS then
        count('requests', 1)
        return enqueue(id, page, page.at, 'LPUSH')
    end
    local url = page.urls[page.at]
    local reason = 'given up, as ' .. page.returns .. ' crawlers ended while they had it'
    local record = { process = tonumber(process), url = url, dead = reason }
    redis.call('RPUSH', key('records'), cjson.encode(record))
    redis.call('RPUSH', key('dead'), url)
    page.returns = 0
    fail(id, page)
end
