#!/usr/bin/env python3
"""Measures the memory of the gateway example per open connection: python3 benches/peers/connections.py

Opens 10,000 connections of each kind and prints how much the gateway's memory (proportional set size) has grown by each: idle
connections after one request, by HTTP/1.1 and by TLS, and WebSockets, which have a connection to a backend as well. Then it
closes them, and prints what stays. The gateway needs a file descriptor for each connection, and two for a WebSocket. The soft
limit (`ulimit -Sn`) is raised to the hard one; if that is too low, there are fewer connections, and a line says so.
"""
import argparse, asyncio, multiprocessing, pathlib, resource, ssl, subprocess, sys, tempfile

import load, proxies, tls

UPGRADE = "GET /socket/chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
ACCEPTED += b"BACScCJPNqyz+UBoqMH89VmURoA=\r\n\r\n"
KINDS = ("HTTP/1.1", "TLS", "WebSocket")
# A frame with `ping`: masked by zeros from clients.
FROM_CLIENT, FROM_SERVER = b"\x82\x84\0\0\0\0ping", b"\x82\x04ping"
AT_ONCE = 200


async def backend(reader, writer):
    """Responds to requests with 13 bytes, and to messages of a WebSocket with the same message."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        while b"upgrade: websocket" not in head.lower():
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nhello, world\n")
            head = await reader.readuntil(b"\r\n\r\n")
        writer.write(ACCEPTED)
        while await reader.readexactly(len(FROM_CLIENT)):
            writer.write(FROM_SERVER)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


def serve_backend(pipe):
    """Runs the backend in a process of its own, which has file descriptors of its own."""
    async def serve():
        server = await asyncio.start_server(backend, "127.0.0.1", 0, limit=4096, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


async def exchange(reader, writer, kind):
    """One request, or the handshake and one message of a WebSocket."""
    if kind == "WebSocket":
        writer.write(UPGRADE.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        writer.write(FROM_CLIENT)
        assert await reader.readexactly(len(FROM_SERVER)) == FROM_SERVER
    else:
        writer.write(b"GET /plain/ HTTP/1.1\r\nHost: a\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        assert await reader.readexactly(13) == b"hello, world\n"


async def open_all(kind, port, count):
    context = None
    if kind == "TLS":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    gate = asyncio.Semaphore(AT_ONCE)

    async def one():
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=4096)
            await exchange(reader, writer, kind)
            return reader, writer

    return await asyncio.gather(*(one() for _ in range(count)))


async def settled(pid):
    """Returns the memory in KiB once it no longer changes."""
    before = 0
    for _ in range(60):
        now = load.memory(pid) * 1024
        if abs(now - before) < 64:
            break
        before = now
        await asyncio.sleep(1)
    return now


async def measure(kind, count, url, options, directory):
    """Starts a gateway for one kind of connection, and returns a row of the table."""
    database = f"sqlite://{directory}/{kind.replace('/', '')}.db?mode=rwc"
    command = [options.gateway, "--no-demo", "--print-token", "--threads", options.threads, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--idle-timeout", "1000"]
    command += ["--database", database, *(tls.prepare(directory) if kind == "TLS" else [])]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        exported = dict(line.split(" ", 1)[1].strip().split("=", 1) for line in iter(process.stdout.readline, "\n") if line.startswith("export"))
        for service in ("plain", "socket"):
            body = {"version": "v1", "url": url}
            await asyncio.to_thread(proxies.call, exported, "POST", f"/routing/services/{service}/versions?force=true", body)
        port = int(exported["GATEWAY"].rsplit(":", 1)[1])
        # What the first requests allocate is no memory of a connection.
        for _, writer in await open_all(kind, port, AT_ONCE):
            writer.close()
        before = await settled(process.pid)
        opened = await open_all(kind, port, count)
        during = await settled(process.pid)
        for _, writer in opened:
            writer.close()
        del opened
        after = await settled(process.pid)
    finally:
        process.terminate()
        process.wait(40)
    return f"| {count:,} by {kind} | {before / 1024:.1f} | {during / 1024:.1f} | {(during - before) / count:.1f} | {after / 1024:.1f} |"


def possible(kind, wanted):
    """Returns how many connections the limit of open files allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(wanted, (hard - 200) // (2 if kind == "WebSocket" else 1))
    if count < wanted:
        print(f"`ulimit -Hn` is {hard}: {count:,} connections by {kind}", file=sys.stderr)
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", type=pathlib.Path, default=proxies.GATEWAY, help="the program of the gateway")
    parser.add_argument("--count", type=int, default=10_000, help="connections of each kind")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--threads", type=int, default=1, help="of the gateway")
    options = parser.parse_args()
    pipe, other_end = multiprocessing.Pipe()
    counts = {kind: possible(kind, options.count) for kind in options.kinds.split(",")}
    server = multiprocessing.Process(target=serve_backend, args=[other_end], daemon=True)
    server.start()
    url = f"http://127.0.0.1:{pipe.recv()}"
    print("| connections | before MB | open MB | each KiB | after they closed MB |\n| --- | --- | --- | --- | --- |")
    for kind, count in counts.items():
        with tempfile.TemporaryDirectory() as directory:
            print(asyncio.run(measure(kind, count, url, options, pathlib.Path(directory))), flush=True)
    server.terminate()


if __name__ == "__main__":
    main()
