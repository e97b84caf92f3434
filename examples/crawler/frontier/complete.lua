-- Takes in what came of a page. Returns 1, or 0 if the lease has run out: then somebody else has the page.
-- ARGV: the lease, the kind, the record, the host's delay in ms, its pause in ms, how many more requests than one were
-- sent, the scope if the page moves it, and then canonical address and address of each link, or of the redirect's target.
local process, id = end_lease(ARGV[1])
if not process then return 0 end
local kind = ARGV[2]
local page = load_page(id)
local host = load_host(page.host)
host.delay = tonumber(ARGV[4])
host.next = math.max(host.next, after(tonumber(ARGV[5])))
free_host(page.host, host)
count('requests', 0 - ARGV[6])
redis.call('RPUSH', key('records'), ARGV[3])
redis.call('HSET', key('processes'), process .. ':seen', NOW)
if kind == 'page' then
    count('had', 1)
    tally(process, 'pages', 1)
    page.state = 'had'
    save_page(id, page)
    for at = 8, #ARGV, 2 do discover(ARGV[at], ARGV[at + 1], 0) end
elseif kind == 'redirect' then
    local leaves = ARGV[7] ~= ''
    -- The start page tells where the site is: http://site may redirect to http://www.site.
    if leaves and tonumber(redis.call('HGET', key('meta'), 'had')) == 0 then
        redis.call('HSET', key('meta'), 'scope', ARGV[7])
        leaves = false
    end
    local to, to_at
    if not leaves then to, to_at = discover(ARGV[8], ARGV[9], page.hops + 1) end
    -- It may have changed: it may be on its own chain of redirects, or its target may be another spelling.
    page = load_page(id)
    page.state, page.to, page.to_at = to and 'redirect' or 'out', to, to_at
    save_page(id, page)
else
    count('errors', 1)
    tally(process, 'errors', 1)
    fail(id, page)
end
return 1
