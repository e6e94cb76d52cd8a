#!/usr/bin/env python3
"""Measures the gateway example and its peers in one run: python3 benches/peers/run.py

Starts nginx, haproxy, caddy, envoy and traefik, if they are on PATH, and the peers in rust/, if they are built, with one
worker each on core 0. The backends and the load generator run on core 1. Clients speak HTTP/1.1 to all of them, and
HTTP/2 and gRPC to the gateway, nginx, haproxy and envoy. Each round drives every proxy once, in an
order that is rotated and reversed, so that a slow machine slows all of them alike. Compare ratios: the median over the
rounds of a proxy's figure divided by another's in the same round. The gateway is measured twice: the difference of two
equal programs is noise. If pgo.sh has built one with profile-guided optimization, it is a row of its own. The gateway,
nginx and haproxy are measured by TLS as well.

Needs wrk, h2load and two cores. README.md in this directory explains their installation. With --write the tables there
are replaced. Everything runs on loopback, has a time limit, and is stopped at the end.
"""
import argparse, os, pathlib, shutil, sys, tempfile

import tls
from load import check_grpc, memory, saturate, saturate_http2, steady
from proxies import GATEWAY, HTTP2, PGO, PORTS, TLS, Proxies, start_gateways
from tables import machine, rounds, steady_table, table, write

PATHS = {"small": "13 bytes", "headers": "12 headers and 1 KiB", "large": "64 KiB"}
HTTP2_TITLES = {"http2": "13 bytes", "http2_headers": "12 headers and 1 KiB", "http2_large": "64 KiB"}
HTTP2_TITLES = {name: f"HTTP/2 from clients, HTTP/1.1 to backends, {title}" for name, title in HTTP2_TITLES.items()}
HTTP2_TITLES |= {"grpc": "gRPC, unary calls with empty messages", "grpc_stream": "gRPC, streams of 64 messages of 1 KiB"}
TLS_TITLES = {"tls": "TLS, HTTP/1.1, 13 bytes", "tls_headers": "TLS, HTTP/1.1, 12 headers and 1 KiB", "tls_large": "TLS, HTTP/1.1, 64 KiB"}
TLS_TITLES |= {"tls_http2": "TLS, HTTP/2 from clients, HTTP/1.1 to backends, 13 bytes", "tls_new": "TLS, HTTP/1.1, a new connection for each request, sessions resumed"}


def http2_table(protocol, directory, names, pid, options):
    measure = lambda name, seconds=options.seconds: saturate_http2(directory, pid(name), name, protocol, options, seconds)
    for name in names:
        if protocol.startswith("grpc"):
            check_grpc(name, protocol, directory / "grpc/message")
        measure(name, 1)
    seen = rounds(names, options.rounds, measure)
    memories = {name: f"{memory(pid(name)):.1f}" for name in names}
    others = [name for name in ("nginx weight", "haproxy", "envoy", "gateway") if name in names]
    title = f"{HTTP2_TITLES[protocol]}, {options.streams} streams on each of {options.http2_connections} connections"
    return table(title, seen, others, memories)


def tls_table(protocol, directory, names, pid, options):
    """Returns the table of one kind of traffic by TLS, whose processes `pid` knows by the name of their port."""
    env = tls.environment(directory)
    path = {"tls_headers": "headers", "tls_large": "large"}.get(protocol, "small")
    url = lambda name: f"https://127.0.0.1:{PORTS[TLS[name]]}/bench/{path}"
    close = ["Connection: close"] if protocol == "tls_new" else []

    def measure(name, seconds=options.seconds):
        if protocol == "tls_http2":
            return saturate_http2(directory, pid(name), name, protocol, options, seconds, url(name), env)
        return saturate(pid(name), url(name), options.connections, seconds, close, env=env)

    for name in names:
        tls.check(PORTS[TLS[name]], env)
        measure(name, 1)
    seen = rounds(names, options.rounds, measure)
    memories = {name: f"{memory(pid(name)):.1f}" for name in names}
    others = [name for name in ("nginx weight", "haproxy", "gateway") if name in names]
    return table(TLS_TITLES[protocol], seen, others, memories)


def http1_table(path, names, url, pid, options):
    measure = lambda name, seconds=options.seconds: saturate(pid(name), url(name, path), options.connections, seconds)
    for name in names:
        measure(name, 1)
    seen = rounds(names, options.rounds, measure)
    memories = {name: f"{memory(pid(name)):.1f}" for name in names if name != "direct"}
    others = [name for name in ("nginx weight", "nginx split_clients", "haproxy", "gateway") if name in names]
    return table(PATHS[path], seen, others, memories)


def load_table(load, directory, names, url, pid, options):
    """Returns the table of a load that is `load` percent of what the gateway can do. Proxies that can do less are omitted."""
    most = {name: saturate(pid(name), url(name, "small"), options.connections, options.seconds)["rate"] for name in names}
    rate = round(most["gateway"] * load / 100, -3)
    able = [name for name in names if most[name] > rate]
    measure = lambda name: steady(directory, url(name, "small"), options.connections, rate, options.seconds)
    return steady_table(load, rate, rounds(able, options.rounds, measure))


def run(options, directory):
    proxies = Proxies(directory)
    try:
        certificate = tls.prepare(directory)
        proxies.start_backends()
        if not options.alone:
            proxies.start_peers()
        start_gateways(proxies, certificate, options)
        url = lambda name, path: f"http://127.0.0.1:{proxies.running[name][1]}/bench/{path}"
        pid = lambda name: proxies.running[name][0].pid
        tls_pid = lambda name: pid(TLS[name] if TLS[name] in proxies.running else name)
        names = [name for name in proxies.running if name not in TLS.values() and (not options.only or any(part in name for part in options.only.split(",")))]
        lines = [f"{machine()}. {options.connections} connections, {options.rounds} rounds of {options.seconds} s.", ""]
        for path in filter(None, options.paths.split(",")):
            lines += http1_table(path, names, url, pid, options)
        for load in filter(None, options.loads.split(",")):
            lines += load_table(int(load), directory, names, url, pid, options)
        for protocol in filter(None, options.protocols.split(",")):
            lines += http2_table(protocol, directory, [name for name in names if name in HTTP2], pid, options)
        for protocol in filter(None, options.tls.split(",")):
            lines += tls_table(protocol, directory, [name for name in names if name in TLS], tls_pid, options)
        return lines
    finally:
        proxies.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--loads", default="50,80", help="percentages of the gateway's most requests per second; empty omits these tables")
    parser.add_argument("--paths", default=",".join(PATHS), help="sizes of responses for HTTP/1.1; empty omits HTTP/1.1")
    parser.add_argument("--protocols", default=",".join(HTTP2_TITLES), help="of the tables besides HTTP/1.1; empty omits them")
    parser.add_argument("--tls", default=",".join(TLS_TITLES), help="of the tables with TLS; empty omits them")
    parser.add_argument("--http2-connections", type=int, default=8, help="for HTTP/2 and gRPC")
    parser.add_argument("--streams", type=int, default=16, help="per connection, for HTTP/2 and gRPC")
    parser.add_argument("--only", default="", help="comma-separated names or parts of names")
    parser.add_argument("--gateway", type=pathlib.Path, default=GATEWAY, help="the program of the gateway")
    parser.add_argument("--pgo", type=pathlib.Path, default=PGO, help="the same, built by pgo.sh; omitted if it is missing")
    parser.add_argument("--alone", action="store_true", help="measure the gateway once and no peers")
    parser.add_argument("--write", action="store_true", help="replace the tables in README.md")
    options = parser.parse_args()
    missing = [tool for tool in ("nginx", "wrk", "h2load", "nghttp", "openssl", "taskset") if not shutil.which(tool)]
    if missing or not options.gateway.exists():
        sys.exit(f"missing: {missing or 'the gateway: cargo build --release --example gateway'}")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as directory:
        os.chmod(directory, 0o755)
        text = "\n".join(run(options, pathlib.Path(directory)))
    print(text)
    if options.write:
        write("figures", text)


if __name__ == "__main__":
    main()
