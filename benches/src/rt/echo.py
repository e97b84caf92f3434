"""echo.py LOOP PORT: an echo server in callbacks, by asyncio's own loop or by uvloop. Prints its port.

PORT 0 takes a free one. Several processes may share a port. It ends when its standard input does.
"""
import asyncio
import socket
import sys


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        self.transport.write(data)


async def main(port):
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Echo, "127.0.0.1", port, backlog=1024, reuse_port=True)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()


run = asyncio.run
if sys.argv[1] == "uvloop":
    try:
        from uvloop import run
    except ImportError:
        sys.exit()
run(main(int(sys.argv[2])))
