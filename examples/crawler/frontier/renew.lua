-- A process lives. ARGV: the process, how many ms its leases last from now on, and the leases.
-- Redis refuses only a script whose first write needs memory. Leases should last even if there is none.
redis.call('ZREM', key('leases'), '')
redis.call('HSET', key('processes'), ARGV[1] .. ':seen', NOW)
for at = 3, #ARGV do redis.call('ZADD', key('leases'), 'XX', NOW + ARGV[2], ARGV[at]) end
return 1
