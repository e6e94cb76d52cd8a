#!/usr/bin/env python3
"""Measures what clients see when one of three backends fails: python3 benches/peers/failures.py

The same three backends are behind the gateway, nginx, haproxy and envoy, with the settings that each of them recommends.
Each proxy is measured twice: with its defaults for failed requests, and so that a GET whose backend answered with an error
goes to another backend. All of them get the same number of requests per second at the same time, so each fault hits all of
them at the same moment. One backend is killed, frozen (SIGSTOP), and answers 503, also to health checks; each fault lasts
30 s, and ends by a restart, SIGCONT and 200.

Finds the peers as run.py does: nginx, haproxy and envoy on PATH. Everything runs on loopback and is stopped at the end, after
about four minutes. With --write the tables in README.md are replaced.
"""
import argparse, asyncio, bisect, os, pathlib, shutil, subprocess, sys, tempfile

import proxies, tables
from faults.client import Client
from faults.service import Service

HERE = proxies.HERE / "faults"
PORTS = {"one": 19101, "two": 19102, "three": 19103, "gateway": 19110, "gateway_again": 19111, "nginx": 19120, "nginx_again": 19121}
PORTS |= {"haproxy": 19130, "haproxy_again": 19131, "envoy": 19140, "envoy_again": 19141}
BACKENDS = ("one", "two", "three")
FAILING = "two"
FAULTS = {"kill": "is killed", "freeze": "is frozen", "503": "answers 503"}
AGAIN = "GET again"
# Seconds between the start of the load and the first fault, and at most until the backend is used again.
SETTLE, BACK = 10, 90


class Proxies(proxies.Proxies):
    """The proxies in front of the three backends, with the configurations of faults/."""

    def __init__(self, directory, options):
        super().__init__(directory)
        self.timeout, self.gateway, self.omitted = options.timeout, options.gateway, options.omit.split(",")

    def configured(self, template):
        text = (HERE / template).read_text()
        for name, value in {"dir": self.dir, "timeout": self.timeout, "all_attempts": 3 * self.timeout, **PORTS}.items():
            text = text.replace(f"@{name}@", str(value))
        path = self.dir / template
        path.write_text(text)
        return path

    def start_peers(self):
        quiet = dict(stdout=subprocess.DEVNULL)
        both = lambda name: {name: PORTS[name], f"{name}, {AGAIN}": PORTS[f"{name}_again"]}
        if shutil.which("nginx") and "nginx" not in self.omitted:
            self.start(proxies.PROXY_CORE, ["nginx", "-c", self.configured("nginx.conf")], both("nginx"), **quiet)
        if shutil.which("haproxy") and "haproxy" not in self.omitted:
            self.start(proxies.PROXY_CORE, ["haproxy", "-f", self.configured("haproxy.cfg")], both("haproxy"), **quiet)
        if shutil.which("envoy") and "envoy" not in self.omitted:
            envoy = ["envoy", "-c", self.configured("envoy.yaml"), "--concurrency", 1, "--disable-hot-restart", "-l", "off"]
            self.start(proxies.PROXY_CORE, envoy, both("envoy"), **quiet)

    def start_gateway(self, name, port, options):
        """Starts the gateway with one version of three instances, which have a health path."""
        exported = self.launch_gateway(name, port, options, self.gateway)
        urls = [f"http://127.0.0.1:{PORTS[backend]}" for backend in BACKENDS]
        version = {"version": "v1", "urls": urls, "healthPath": "/healthz"}
        proxies.call(exported, "POST", "/routing/services/bench/versions", version)


class Watched:
    """A proxy under load, and the responses of its client."""

    def __init__(self, name, port, path):
        self.name, self.client = name, Client(port, path)

    def between(self, since, until):
        """Returns the responses that ended in this time."""
        responses = self.client.responses
        first, last = (bisect.bisect_left(responses, at, key=lambda response: response.done) for at in (since, until))
        return responses[first:last]

    def back(self, since, rate):
        """Returns when the failing backend has at least half of its share during a second, in seconds after `since`."""
        responses = self.between(since, float("inf"))
        times = [one.done for one in responses if one.instance == FAILING and one.status == 200 and one.sent >= since]
        wanted = max(1, rate // len(BACKENDS) // 2)
        return next((first - since for first, last in zip(times, times[wanted - 1:]) if last - first <= 1), None)


async def load(watched, rate, end):
    """Sends `rate` requests per second to each proxy, whatever happened to the ones before."""
    loop = asyncio.get_running_loop()
    start, count = loop.time(), 0
    while not end.is_set():
        due = int((loop.time() - start) * rate)
        for _ in range(due - count):
            for each in watched:
                each.client.send()
        count = due
        await asyncio.sleep(1 / rate)


async def drive(options, watched, services):
    """Makes one fault after the other. Returns the begin and the end of each, and the time when it was over for all."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    loading = asyncio.create_task(load(watched, options.rate, end))
    await asyncio.sleep(SETTLE)
    times = {}
    for fault in options.faults.split(","):
        print(f"one backend {FAULTS[fault]}", file=sys.stderr)
        begin = loop.time()
        await asyncio.to_thread(services[FAILING].fail, fault)
        await asyncio.sleep(options.hold)
        await asyncio.to_thread(services[FAILING].recover, fault)
        restored = loop.time()
        while loop.time() < restored + BACK and any(each.back(restored, options.rate) is None for each in watched):
            await asyncio.sleep(0.5)
        await asyncio.sleep(options.timeout)
        times[fault] = (begin, restored, loop.time())
    end.set()
    await loading
    await asyncio.sleep(options.timeout)
    return times


def service(each, restored, rate):
    """Returns when the backend was in service again. A backend that still answered before `restored` was never out."""
    if any(one.instance == FAILING for one in each.between(restored - 1, restored)):
        return "never out"
    back = each.back(restored, rate)
    return "not again" if back is None else f"{back:.1f}"


def table(title, watched, times, rate):
    begin, restored, end = times
    lines = [f"**{title}**", "", "| | failed requests | the last one after s | slowest response s | back in service after s |"]
    lines.append("| --- | --- | --- | --- | --- |")
    for each in watched:
        responses = each.between(begin, end)
        failed = [one.done - begin for one in responses if one.status != 200]
        last = f"{failed[-1]:.1f}" if failed else ""
        slowest = max(one.done - one.sent for one in responses)
        lines.append(f"| {each.name} | {len(failed)} | {last} | {slowest:.2f} | {service(each, restored, rate)} |")
    return lines + [""]


def measure(options, directory):
    running = Proxies(directory, options)
    services = {name: Service(name, PORTS[name], options.delay, proxies.LOAD_CORE) for name in BACKENDS}
    try:
        for service in services.values():
            service.start()
        running.start_peers()
        if "gateway" not in running.omitted:
            again = ["--retry-safe", "--attempt-timeout", options.timeout, "--response-timeout", 3 * options.timeout]
            running.start_gateway("gateway", PORTS["gateway"], ["--response-timeout", options.timeout])
            running.start_gateway(f"gateway, {AGAIN}", PORTS["gateway_again"], again)
        paths = {"gateway": "/bench/"}
        watched = [Watched(name, port, paths.get(name.split(",")[0], "/")) for name, (_, port) in running.running.items()]
        times = asyncio.run(drive(options, watched, services))
    finally:
        running.stop()
        for service in services.values():
            service.stop()
    build = " The gateway is built without optimizations." if "debug" in options.gateway.parts else ""
    lines = [f"{tables.machine(('nginx', 'haproxy', 'envoy'))}. {options.rate} requests per second through each, three backends that take "
             f"{options.delay} ms, response timeout {options.timeout} s. Each fault lasts {options.hold} s.{build}", ""]
    for fault, each in times.items():
        lines += table(f"One of three backends {FAULTS[fault]}", watched, each, options.rate)
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=200, help="requests per second through each proxy")
    parser.add_argument("--hold", type=int, default=30, help="seconds of each fault")
    parser.add_argument("--delay", type=int, default=10, help="milliseconds that a backend takes for a response")
    parser.add_argument("--timeout", type=int, default=5, help="seconds until a proxy gives up on a response")
    parser.add_argument("--faults", default=",".join(FAULTS))
    parser.add_argument("--gateway", type=pathlib.Path, default=proxies.GATEWAY, help="the program of the gateway")
    parser.add_argument("--omit", default="", help="comma-separated names of proxies")
    parser.add_argument("--write", action="store_true", help="replace the tables in README.md")
    options = parser.parse_args()
    if not options.gateway.exists():
        sys.exit("missing: the gateway: cargo build --profile bench --example gateway")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as directory:
        os.chmod(directory, 0o755)
        text = "\n".join(measure(options, pathlib.Path(directory)))
    print(text)
    if options.write:
        tables.write("failures", text)


if __name__ == "__main__":
    main()
