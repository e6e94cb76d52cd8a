"""A backend as a process of its own, and the faults that it can have.

Run as a program, it serves HTTP/1.1 on a port: python3 service.py NAME PORT MILLISECONDS. SIGUSR1 makes it answer 503, SIGUSR2
makes it answer 200 again.
"""
import asyncio, pathlib, signal, socket, subprocess, sys, time


class Service:
    """A backend that can be killed, frozen, and made to answer 503."""

    def __init__(self, name, port, delay, core):
        self.command = ["taskset", "-c", core, sys.executable, __file__, name, str(port), str(delay)]
        self.port, self.process = port, None

    def start(self):
        self.process = subprocess.Popen(self.command)
        for _ in range(200):
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
        sys.exit(f"no backend listens on port {self.port}")

    def fail(self, fault):
        self.process.send_signal({"kill": signal.SIGKILL, "freeze": signal.SIGSTOP, "503": signal.SIGUSR1}[fault])
        if fault == "kill":
            self.process.wait()

    def recover(self, fault):
        if fault == "kill":
            return self.start()
        self.process.send_signal({"freeze": signal.SIGCONT, "503": signal.SIGUSR2}[fault])

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()


class Server(asyncio.Protocol):
    """A connection of a proxy. Requests have no body, and one is in flight at a time."""

    head, delay, buffer = b"", 0.0, b""

    def connection_made(self, transport):
        self.transport = transport
        self.buffer = b""

    def data_received(self, data):
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            request, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
            is_check = b" /healthz" in request.split(b"\r\n", 1)[0]
            asyncio.get_running_loop().call_later(0 if is_check else self.delay, self.respond)

    def respond(self):
        if not self.transport.is_closing():
            self.transport.write(Server.head)


def head(name, status):
    return f"HTTP/1.1 {status}\r\nx-instance: {name}\r\ncontent-length: 3\r\n\r\nok\n".encode()


async def serve(name, port, delay):
    loop = asyncio.get_running_loop()
    Server.head, Server.delay = head(name, "200 OK"), delay / 1000
    loop.add_signal_handler(signal.SIGUSR1, lambda: setattr(Server, "head", head(name, "503 Service Unavailable")))
    loop.add_signal_handler(signal.SIGUSR2, lambda: setattr(Server, "head", head(name, "200 OK")))
    server = await loop.create_server(Server, "127.0.0.1", port, backlog=1024, reuse_address=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
