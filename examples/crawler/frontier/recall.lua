-- Gives back what a process has and doesn't name: it did not get the answers, or it ends. ARGV: the process, and the leases that
-- it keeps.
local known, mine = {}, ARGV[1] .. ':'
for at = 2, #ARGV do known[ARGV[at]] = true end
for _, lease in ipairs(redis.call('ZRANGE', key('leases'), 0, -1)) do
    if string.sub(lease, 1, #mine) == mine and not known[lease] then take_back(lease, false) end
end
return 1
