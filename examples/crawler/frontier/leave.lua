-- A process ends, and gives back what it holds. ARGV: the process.
local mine = ARGV[1] .. ':'
for _, lease in ipairs(redis.call('ZRANGE', key('leases'), 0, -1)) do
    if string.sub(lease, 1, #mine) == mine then take_back(lease, false) end
end
return 1
