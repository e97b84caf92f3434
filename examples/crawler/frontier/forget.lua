-- Deletes the crawl.
for _, name in ipairs(redis.call('HKEYS', key('hosts'))) do redis.call('DEL', key('queue:' .. name)) end
for _, name in ipairs({ 'meta', 'pages', 'hosts', 'due', 'leases', 'records', 'dead', 'processes' }) do
    redis.call('UNLINK', key(name))
end
return 1
