-- How the crawl goes. Returns the pages had, the pages known but not had, errors, the time since the beginning in ms, now,
-- and the counts of the processes.
local all = redis.call('HMGET', key('meta'), 'had', 'queued', 'errors', 'began', 'ended')
local waiting = tonumber(all[2] or 0) + redis.call('ZCARD', key('leases'))
-- The clock may have been set back.
local time = math.max((all[5] or NOW) - (all[4] or NOW), 0)
return { tonumber(all[1] or 0), waiting, tonumber(all[3] or 0), time, NOW, redis.call('HGETALL', key('processes')) }
