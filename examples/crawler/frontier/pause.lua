-- A host wants no request for some time. ARGV: the host, the time in ms.
local host = load_host(ARGV[1])
host.next = math.max(host.next, after(tonumber(ARGV[2])))
save_host(ARGV[1], host)
return 1
