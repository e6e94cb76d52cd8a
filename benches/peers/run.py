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
import argparse, collections, json, os, pathlib, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time, urllib.request

import tls

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
GATEWAY = ROOT / "target/release/examples/gateway"
PGO = ROOT / "target/pgo/gateway"
RUST = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE / "rust/target")) / "release"
SECRET = "0123456789abcdef0123456789abcdef"
PORTS = dict(one=19001, two=19002, gateway=19010, twin=19011, nginx_weight=19020, nginx_split=19021, haproxy=19030, caddy=19040)
PORTS |= dict(grpc_one=19003, grpc_two=19004, nginx_http2=19022, haproxy_http2=19032, envoy_http2=19072)
PORTS |= dict(pgo=19012, tls=19013, twin_tls=19014, pgo_tls=19015, nginx_tls=19023, haproxy_tls=19033)
PORTS |= {"pingora": 19050, "axum-reverse-proxy": 19060, "envoy": 19070, "traefik": 19080}
PATHS = {"small": "13 bytes", "headers": "12 headers and 1 KiB", "large": "64 KiB"}
# The port for HTTP/2 and gRPC of each proxy that is measured with them.
HTTP2 = {"gateway": "gateway", "gateway (again)": "twin", "gateway, PGO": "pgo", "nginx weight": "nginx_http2", "haproxy": "haproxy_http2", "envoy": "envoy_http2"}
TITLES = {"http2": "HTTP/2 from clients, HTTP/1.1 to backends, 13 bytes", "grpc": "gRPC, unary calls with empty messages"}
# The same for TLS.
TLS = {"gateway": "tls", "gateway (again)": "twin_tls", "gateway, PGO": "pgo_tls", "nginx weight": "nginx_tls", "haproxy": "haproxy_tls"}
TLS_TITLES = {"tls": "TLS, HTTP/1.1, 13 bytes", "tls_headers": "TLS, HTTP/1.1, 12 headers and 1 KiB", "tls_large": "TLS, HTTP/1.1, 64 KiB"}
TLS_TITLES |= {"tls_http2": "TLS, HTTP/2 from clients, HTTP/1.1 to backends, 13 bytes", "tls_new": "TLS, HTTP/1.1, a new connection for each request, sessions resumed"}
PROXY_CORE, LOAD_CORE = "0", "1"


def on(core, command, **options):
    return subprocess.Popen(["taskset", "-c", core, *map(str, command)], **options)


def until_open(port):
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
    sys.exit(f"nothing listens on port {port}")


def rust_peers():
    return [name for name in ("pingora", "axum-reverse-proxy") if (RUST / f"{name}-peer").exists()]


class Proxies:
    """The running programs by name: the process and the port for requests."""

    def __init__(self, directory):
        self.dir, self.running, self.started = directory, {}, []
        # An empty message of gRPC: not compressed, of length 0.
        self.message = directory / "grpc/message"

    def configured(self, template):
        text = (HERE / template).read_text()
        for name, value in {"dir": self.dir, "kib": "x" * 1024, **PORTS}.items():
            text = text.replace(f"@{name}@", str(value))
        path = self.dir / template
        path.write_text(text)
        return path

    def start(self, core, command, ports, **options):
        process = on(core, command, stderr=subprocess.DEVNULL, **options)
        self.started.append(process)
        for name, port in ports.items():
            if options.get("stdout") == subprocess.DEVNULL:
                until_open(port)
            self.running[name] = (process, port)
        return process

    def stop(self):
        for process in self.started:
            process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def start_backends(self):
        quiet = dict(stdout=subprocess.DEVNULL)
        self.message.parent.mkdir()
        self.message.write_bytes(bytes(5))
        self.start(LOAD_CORE, ["nginx", "-c", self.configured("backend.conf")], {"direct": PORTS["one"]}, **quiet)

    def start_peers(self):
        quiet = dict(stdout=subprocess.DEVNULL)
        if shutil.which("nginx"):
            ports = {"nginx weight": PORTS["nginx_weight"], "nginx split_clients": PORTS["nginx_split"]}
            self.start(PROXY_CORE, ["nginx", "-c", self.configured("nginx.conf")], ports, **quiet)
        if shutil.which("haproxy"):
            self.start(PROXY_CORE, ["haproxy", "-f", self.configured("haproxy.cfg")], {"haproxy": PORTS["haproxy"]}, **quiet)
        if shutil.which("caddy"):
            caddy = ["caddy", "run", "--config", self.configured("Caddyfile"), "--adapter", "caddyfile"]
            self.start(PROXY_CORE, caddy, {"caddy": PORTS["caddy"]}, env={**os.environ, "GOMAXPROCS": "1", "HOME": str(self.dir)}, **quiet)
        if shutil.which("envoy"):
            envoy = ["envoy", "-c", self.configured("envoy.yaml"), "--concurrency", 1, "--disable-hot-restart", "-l", "off"]
            self.start(PROXY_CORE, envoy, {"envoy": PORTS["envoy"]}, **quiet)
        if shutil.which("traefik"):
            self.configured("traefik-dynamic.yaml")
            traefik = ["traefik", f"--configFile={self.configured('traefik.yaml')}"]
            self.start(PROXY_CORE, traefik, {"traefik": PORTS["traefik"]}, env={**os.environ, "GOMAXPROCS": "1"}, **quiet)
        for name in rust_peers():
            ports = (PORTS[port] for port in (name, "one", "two"))
            self.start(PROXY_CORE, [RUST / f"{name}-peer", *ports], {name: PORTS[name]}, **quiet)

    def launch_gateway(self, name, port, options=(), program=GATEWAY):
        """Starts the gateway with one thread. Returns the variables that it prints for a shell."""
        database = f"sqlite://{self.dir}/{name}.db?mode=rwc"
        fixed = ["--no-demo", "--print-token", "--threads", 1, "--seed", 1, "--listen", f"127.0.0.1:{port}", "--admin", "127.0.0.1:0"]
        command = [program, *fixed, "--database", database, "--jwt-secret", SECRET, *options]
        process = self.start(PROXY_CORE, command, {name: port}, stdout=subprocess.PIPE, text=True)
        return dict(re.findall(r"export (\w+)=(\S+)", "".join(iter(process.stdout.readline, "\n"))))

    def start_gateway(self, name, port, options=(), program=GATEWAY):
        """Starts the gateway and sets 90/10 with its admin API."""
        exported = self.launch_gateway(name, port, options, program)
        for service, prefix in (("bench", ""), ("grpc", "grpc_")):
            for version in ("one", "two"):
                body = {"version": version, "url": f"http://127.0.0.1:{PORTS[prefix + version]}"}
                call(exported, "POST", f"/routing/services/{service}/versions?force=true", body)
            call(exported, "PUT", f"/deployment/services/{service}/versions/two/weight?force=true", {"weight": 10})


def call(exported, method, path, body):
    """Calls the admin API of the gateway that printed these variables."""
    headers = {"authorization": f"Bearer {exported['TOKEN']}", "content-type": "application/json"}
    request = urllib.request.Request(exported["ADMIN"] + path, json.dumps(body).encode(), headers, method=method)
    urllib.request.urlopen(request, timeout=10).read()


def tree(pid):
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(process for child in children for process in tree(int(child)))]


def cpu(pid):
    """Returns the CPU time of the process and its children in seconds."""
    ticks = 0
    for process in tree(pid):
        fields = pathlib.Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid):
    """Returns the proportional set size in MB."""
    of = lambda process: pathlib.Path(f"/proc/{process}/smaps_rollup").read_text()
    return sum(int(re.search(r"Pss:\s+(\d+)", of(process))[1]) for process in tree(pid)) / 1024


UNITS = {"us": 1, "ms": 1e3, "s": 1e6}


def saturate(pid, url, connections, seconds, headers=(), **options):
    """Sends as many requests as possible. Returns requests per second, percentiles in µs, and CPU µs per request."""
    before = cpu(pid)
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url]
    command += [part for header in headers for part in ("-H", header)]
    text = subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"{url} failed:\n{text}")
    took = {q: float(n) * UNITS[unit] for q, n, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", text)}
    count = int(re.search(r"(\d+) requests in", text)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    return {"rate": rate, "p50": took["50"], "p99": took["99"], "cpu": 1e6 * (cpu(pid) - before) / count}


def http2_url(name, protocol):
    path = "bench/small" if protocol == "http2" else "grpc/bench.Echo/Call"
    return f"http://127.0.0.1:{PORTS[HTTP2[name]]}/{path}"


def grpc_options(message):
    return ["-d", message, "-H", "content-type: application/grpc", "-H", "te: trailers"]


def check_grpc(name, message):
    """Ends the run unless a call succeeds: h2load looks at the HTTP status only, which is 200 for failed calls, too."""
    command = ["nghttp", "-v", "-n", "-t", "5", *grpc_options(message), http2_url(name, "grpc")]
    text = subprocess.run(list(map(str, command)), capture_output=True, text=True).stdout
    if not re.search(r"grpc-status.{0,20}: 0", text):
        sys.exit(f"a call through {name} failed:\n{text}")


def saturate_http2(directory, pid, name, protocol, options, seconds, url=None, env=None):
    """Like `saturate`, over HTTP/2: percentiles are from the request log of h2load."""
    before = cpu(pid)
    log = directory / "h2load.log"
    log.unlink(missing_ok=True)
    connections = max(1, options.connections // options.streams)
    command = ["taskset", "-c", LOAD_CORE, "h2load", "-t1", "-c", connections, "-m", options.streams, "-D", seconds, f"--log-file={log}"]
    command += grpc_options(directory / "grpc/message") if protocol == "grpc" else []
    command += [url or http2_url(name, protocol)]
    subprocess.run(list(map(str, command)), check=True, capture_output=True, timeout=seconds + 30, env=env)
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    if not rows or any(row[1] != "200" for row in rows):
        sys.exit(f"{name} failed with {protocol}: {collections.Counter(row[1] for row in rows)}")
    times = sorted(int(row[2]) for row in rows)
    spent = 1e6 * (cpu(pid) - before) / len(rows)
    return {"rate": len(rows) / seconds, "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100], "cpu": spent}


def steady(directory, url, connections, rate, seconds):
    """Sends requests at a fixed rate. Returns percentiles in µs from the request log of h2load."""
    log = directory / "h2load.log"
    log.unlink(missing_ok=True)
    each = max(1, round(rate / connections))
    command = ["taskset", "-c", LOAD_CORE, "h2load", "--h1", "-t1", f"-c{connections}", f"--rps={each}", f"-D{seconds}", f"--log-file={log}", url]
    subprocess.run(command, check=True, capture_output=True)
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    if any(row[1] != "200" for row in rows):
        sys.exit(f"{url} failed at {rate} requests per second")
    times = sorted(int(row[2]) for row in rows)
    return {q: float(times[min(len(times) - 1, int(len(times) * share))]) for q, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))}


def rounds(names, count, measure):
    """Measures each name in each round. The order is rotated and, in every other round, reversed."""
    seen = {name: [] for name in names}
    for turn in range(count):
        order = names[turn % len(names):] + names[:turn % len(names)]
        for name in order if turn % 2 == 0 else reversed(order):
            seen[name].append(measure(name))
        print(f"round {turn + 1} of {count}", file=sys.stderr)
    return seen


def ratio(seen, name, other, figure="rate"):
    """Returns the median and the quartiles of the ratio of two proxies over the rounds."""
    each = [a[figure] / b[figure] for a, b in zip(seen[name], seen[other])]
    low, middle, high = statistics.quantiles(each, n=4) if len(each) > 1 else each * 3
    return middle, low, high


def median(seen, name, figure):
    return statistics.median(one[figure] for one in seen[name])


def table(title, seen, others, memories):
    lines = [f"**{title}**", "", "| | requests/s | " + " | ".join(f"of {other}" for other in others) + " | CPU/request µs | p50 / p99 µs | memory MB |"]
    lines.append("| --- |" + " --- |" * (len(others) + 4))
    for name in sorted(seen, key=lambda name: -median(seen, name, "rate")):
        ratios = []
        for other in others:
            middle, low, high = ratio(seen, name, other)
            ratios.append("1" if name == other else f"{middle:.2f} [{low:.2f}–{high:.2f}]")
        p50, p99, spent = (median(seen, name, figure) for figure in ("p50", "p99", "cpu"))
        shown = "" if name == "direct" else f"{spent:.1f}"
        lines.append(f"| {name} | {median(seen, name, 'rate'):,.0f} | {' | '.join(ratios)} | {shown} | {p50:.0f} / {p99:.0f} | {memories.get(name, '')} |")
    return lines + [""]


def steady_table(rate, seen):
    lines = [f"**{rate:,} requests per second, 13 bytes**", "", "| | p50 µs | p99 µs | p99.9 µs |", "| --- | --- | --- | --- |"]
    for name in sorted(seen, key=lambda name: median(seen, name, "p50")):
        lines.append(f"| {name} | " + " | ".join(f"{median(seen, name, q):.0f}" for q in ("p50", "p99", "p999")) + " |")
    return lines + [""]


def machine(peers=None):
    """Returns the processor and the versions of `peers`, of all peers without it."""
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    versions = []
    asked = ((["nginx", "-v"], r"nginx/(\S+)"), (["haproxy", "-v"], r"version (\S+?)-"), (["caddy", "version"], r"v?([\d.]+)"))
    asked += ((["envoy", "--version"], r"/([\d.]+)/"), (["traefik", "version"], r"Version:\s+(\S+)"))
    for command, pattern in asked:
        if shutil.which(command[0]) and (peers is None or command[0] in peers):
            done = subprocess.run(command, capture_output=True, text=True)
            versions.append(f"{command[0]} {re.search(pattern, done.stdout + done.stderr)[1]}")
    locked = (HERE / "rust/Cargo.lock").read_text()
    versions += (name + " " + re.search(f'name = "{name}"\nversion = "(.+)"', locked)[1] for name in rust_peers() if peers is None)
    return f"{os.cpu_count()} cores of {model[1].strip() if model else 'unknown CPU'}; {', '.join(versions)}"


def http2_table(protocol, directory, names, pid, options):
    measure = lambda name, seconds=options.seconds: saturate_http2(directory, pid(name), name, protocol, options, seconds)
    for name in names:
        if protocol == "grpc":
            check_grpc(name, directory / "grpc/message")
        measure(name, 1)
    seen = rounds(names, options.rounds, measure)
    memories = {name: f"{memory(pid(name)):.1f}" for name in names}
    others = [name for name in ("nginx weight", "haproxy", "envoy", "gateway") if name in names]
    title = f"{TITLES[protocol]}, {options.streams} streams on each of {max(1, options.connections // options.streams)} connections"
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


def start_gateways(proxies, certificate, options):
    """Starts the gateways: each one twice, and one by TLS, which it has on a process of its own."""
    programs = {"gateway": options.gateway, "gateway (again)": options.gateway, "gateway, PGO": options.pgo}
    if options.alone:
        del programs["gateway (again)"]
    for name, program in programs.items():
        if program.exists():
            proxies.start_gateway(name, PORTS[HTTP2[name]], program=program)
            if options.tls:
                proxies.start_gateway(TLS[name], PORTS[TLS[name]], certificate, program)


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
        names = [name for name in proxies.running if name not in TLS.values() and (not options.only or any(part in name for part in options.only.split(",")))]
        others = [name for name in ("nginx weight", "nginx split_clients", "haproxy", "gateway") if name in names]
        lines = [f"{machine()}. {options.connections} connections, {options.rounds} rounds of {options.seconds} s.", ""]
        for path in filter(None, options.paths.split(",")):
            measure = lambda name: saturate(pid(name), url(name, path), options.connections, options.seconds)
            for name in names:
                saturate(pid(name), url(name, path), options.connections, 1)
            seen = rounds(names, options.rounds, measure)
            memories = {name: f"{memory(pid(name)):.1f}" for name in names if name != "direct"}
            lines += table(PATHS[path], seen, others, memories)
        for protocol in filter(None, options.protocols.split(",")):
            lines += http2_table(protocol, directory, [name for name in names if name in HTTP2], pid, options)
        for protocol in filter(None, options.tls.split(",")):
            of = lambda name: proxies.running.get(TLS[name], proxies.running[name])[0].pid
            lines += tls_table(protocol, directory, [name for name in names if name in TLS], of, options)
        if options.rate:
            measure = lambda name: steady(directory, url(name, "small"), options.connections, options.rate, options.seconds)
            lines += steady_table(options.rate, rounds(names, options.rounds, measure))
        return lines
    finally:
        proxies.stop()


def write(section, text):
    """Replaces a section of README.md."""
    readme = HERE / "README.md"
    start, end = f"<!-- {section} -->\n", f"<!-- end of {section} -->"
    before, rest = readme.read_text().split(start)
    readme.write_text(before + start + text + "\n" + end + rest.split(end)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rate", type=int, default=10000, help="requests per second of the last table; 0 omits it")
    parser.add_argument("--paths", default=",".join(PATHS), help="sizes of responses for HTTP/1.1; empty omits HTTP/1.1")
    parser.add_argument("--protocols", default=",".join(TITLES), help="of the tables besides HTTP/1.1; empty omits them")
    parser.add_argument("--tls", default=",".join(TLS_TITLES), help="of the tables with TLS; empty omits them")
    parser.add_argument("--streams", type=int, default=4, help="per connection, for HTTP/2 and gRPC")
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
