#!/usr/bin/env python3
"""Counts the instructions of a fixed set of requests: python3 benches/instructions/run.py

Fails if a count differs from the last accepted one in history.txt by more than 2 %. With --accept the counts are added
there. README.md explains both. Needs valgrind.
"""
import argparse, os, pathlib, platform, re, shutil, subprocess, sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "instructions"
HISTORY = HERE / "history.txt"
# The difference of two runs leaves out what a process does before its first request.
FEW, MANY = 1_000, 9_000
TOLERANCE = 0.02


def output(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def machine():
    """Returns what the counts depend on besides the code: the compiler, the C library with its variants for processors, and
    the processor that valgrind shows."""
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    rustc = output("rustc", "--version")[0].strip()
    return f"{rustc}, {platform.machine()}{' with avx2' if ' avx2 ' in flags else ''}, {' '.join(platform.libc_ver())}, {output('valgrind', '--version')[0].strip()}"


def build():
    # The versions of the surrounding package. Cargo removes what is not used.
    shutil.copyfile(ROOT / "Cargo.lock", HERE / "Cargo.lock")
    subprocess.run(["cargo", "build", "--release", "--manifest-path", HERE / "Cargo.toml", "--target-dir", TARGET], check=True)
    return TARGET / "release/instructions"


def collected(program, name, count):
    """Returns the instructions of a process that sends `count` requests. An empty environment keeps its stack in place."""
    _, log = output(shutil.which("valgrind"), "--tool=callgrind", "--callgrind-out-file=/dev/null", program, name, count, env={})
    return int(re.search(r"Collected\s*:\s*(\d+)", log)[1])


def count(program, wanted):
    """Returns the instructions per request by case, without those of the case below."""
    cases = dict(line.split("\t") for line in output(program)[0].splitlines())
    names = [name for name in cases if wanted in name]
    below = {cases[name] for name in names} - {""}
    whole = {name: (collected(program, name, MANY) - collected(program, name, FEW)) / (MANY - FEW) for name in {*names, *below}}
    return {name: whole[name] - whole.get(cases[name], 0) for name in names}


def accepted(machine):
    """Returns the commit and the counts of the last entry for this machine, or None."""
    entries = re.findall(r"^commit (.+)\nwith (.+)\n((?:.+\n)+)", HISTORY.read_text(), re.M)
    for commit, with_, rows in reversed(entries):
        if with_ == machine:
            return commit, {name: float(number) for name, number in re.findall(r"^(.+?)\s+([\d.]+)$", rows, re.M)}
    return None


def accept(machine, counts):
    commit = output("git", "rev-parse", "--short", "HEAD", cwd=ROOT)[0].strip()
    changed = output("git", "status", "--porcelain", "--", "src", "Cargo.lock", "benches/instructions/src", cwd=ROOT)[0].strip()
    rows = "".join(f"{name:<32}{number:10.1f}\n" for name, number in counts.items())
    with HISTORY.open("a") as file:
        file.write(f"\ncommit {commit}{' and later' if changed else ''}\nwith {machine}\n{rows}")


def compare(counts, reference, commit):
    """Prints each case, and returns the errors."""
    errors = []
    for name, number in counts.items():
        if name not in reference:
            errors.append(f"{name}: {number:.1f} instructions, and no accepted count")
            continue
        before = reference[name]
        change = number / before - 1
        print(f"{name:<32}{number:10.1f}{before:10.1f}{change:+8.1%}")
        if abs(change) > TOLERANCE:
            errors.append(f"{name}: {number:.1f} instructions per request, {before:.1f} at {commit}: {change:+.1%}")
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accept", action="store_true", help="add the counts to history.txt")
    parser.add_argument("--only", default="", help="cases with this in their name")
    options = parser.parse_args()
    if options.accept and options.only:
        sys.exit("--accept needs all cases")
    if not shutil.which("valgrind"):
        sys.exit("valgrind is missing: apt-get install valgrind")
    this, program = machine(), build()
    found = accepted(this)
    counts = count(program, options.only)
    if options.accept:
        accept(this, counts)
    if options.accept or not found:
        for name, number in counts.items():
            print(f"{name:<32}{number:10.1f}")
    if options.accept:
        return
    if not found:
        print(f"NOT compared: history.txt has no counts with {this}. Add them: python3 benches/instructions/run.py --accept")
        return
    errors = compare(counts, found[1], found[0])
    if errors:
        sys.exit("\n".join(errors) + "\nIf that is meant, accept the counts: python3 benches/instructions/run.py --accept")


if __name__ == "__main__":
    main()
