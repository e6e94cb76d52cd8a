"""The load generators, and the figures of one round."""
import collections, os, pathlib, re, subprocess, sys

import proxies

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
    command = ["taskset", "-c", proxies.LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url]
    command += [part for header in headers for part in ("-H", header)]
    text = subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        sys.exit(f"{url} failed:\n{text}")
    took = {q: float(n) * UNITS[unit] for q, n, unit in re.findall(r"(50|99)%\s+([\d.]+)(us|ms|s)", text)}
    count = int(re.search(r"(\d+) requests in", text)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    return {"rate": rate, "p50": took["50"], "p99": took["99"], "cpu": 1e6 * (cpu(pid) - before) / count}


# The paths of the tables of HTTP/2.
HTTP2_PATHS = {"http2": "bench/small", "http2_headers": "bench/headers", "http2_large": "bench/large"}
HTTP2_PATHS |= {"grpc": "grpc/bench.Echo/Call", "grpc_stream": "grpc/bench.Echo/Stream"}


def http2_url(name, protocol):
    return f"http://127.0.0.1:{proxies.PORTS[proxies.HTTP2[name]]}/{HTTP2_PATHS[protocol]}"


def grpc_options(message):
    return ["-d", message, "-H", "content-type: application/grpc", "-H", "te: trailers"]


def check_grpc(name, protocol, message):
    """Ends the run unless a call succeeds: h2load looks at the HTTP status only, which is 200 for failed calls, too."""
    command = ["nghttp", "-v", "-n", "-t", "5", *grpc_options(message), http2_url(name, protocol)]
    text = subprocess.run(list(map(str, command)), capture_output=True, text=True).stdout
    if not re.search(r"grpc-status.{0,20}: 0", text):
        sys.exit(f"a call through {name} failed:\n{text}")


def saturate_http2(directory, pid, name, protocol, options, seconds, url=None, env=None):
    """Like `saturate`, over HTTP/2: percentiles are from the request log of h2load."""
    before = cpu(pid)
    log = directory / "h2load.log"
    log.unlink(missing_ok=True)
    command = ["taskset", "-c", proxies.LOAD_CORE, "h2load", "-t1", "-c", options.http2_connections, "-m", options.streams, "-D", seconds, f"--log-file={log}"]
    command += grpc_options(directory / "grpc/message") if protocol.startswith("grpc") else []
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
    command = ["taskset", "-c", proxies.LOAD_CORE, "h2load", "--h1", "-t1", f"-c{connections}", f"--rps={each}", f"-D{seconds}", f"--log-file={log}", url]
    subprocess.run(command, check=True, capture_output=True)
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    if any(row[1] != "200" for row in rows):
        sys.exit(f"{url} failed at {rate} requests per second")
    times = sorted(int(row[2]) for row in rows)
    return {q: float(times[min(len(times) - 1, int(len(times) * share))]) for q, share in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999))}
