"""Rounds, ratios and tables."""
import os, pathlib, re, shutil, statistics, subprocess, sys

from proxies import HERE, rust_peers

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


def steady_table(load, rate, seen):
    lines = [f"**{rate:,.0f} requests per second, which is {load} % of what the gateway can do, 13 bytes**", "", "| | p50 µs | p99 µs | p99.9 µs |", "| --- | --- | --- | --- |"]
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


def write(section, text):
    """Replaces a section of README.md."""
    readme = HERE / "README.md"
    start, end = f"<!-- {section} -->\n", f"<!-- end of {section} -->"
    before, rest = readme.read_text().split(start)
    readme.write_text(before + start + text + "\n" + end + rest.split(end)[1])
