-- A process joins. The first one sets the crawl up.
-- ARGV: open, the settings as text, the start's canonical address, the start, requests, bytes, redirects, requests to a host
-- at once, delay in ms. Returns the number of the process, the settings that the crawl has, and whether it is over.
if redis.call('HSETNX', key('meta'), 'settings', ARGV[2]) == 1 then
    redis.call('HSET', key('meta'), 'scope', ARGV[4], 'requests', ARGV[5], 'bytes', ARGV[6],
        'max_redirects', ARGV[7], 'per_host', ARGV[8], 'delay', ARGV[9], 'queued', 0, 'had', 0, 'began', NOW)
    MAX_REDIRECTS, PER_HOST, DELAY = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
    discover(ARGV[3], ARGV[4], 0)
end
local process = count('processes', 1)
redis.call('HSET', key('processes'), process .. ':seen', NOW)
return { process, redis.call('HGET', key('meta'), 'settings'), redis.call('HEXISTS', key('meta'), 'ended') }
