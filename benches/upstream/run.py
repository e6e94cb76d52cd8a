#!/usr/bin/env python3
"""Counts with a released crate and with a change to it: python3 benches/upstream/run.py PROPOSAL

README.md explains it. Needs valgrind.
"""
import argparse, os, pathlib, re, shutil, subprocess, sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "upstream"
# By proposal, the crate that its diff changes.
CRATES = {"hyper-read-buffer": "hyper", "h2-copy-threshold": "h2"}
# The difference of two runs leaves out what a process does before its first message.
FEW, MANY = 160, 480


def output(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout, done.stderr


def changed_crate(proposal):
    """Copies the released source of the crate, applies the diff, and returns the folder."""
    manifest = HERE / proposal / "Cargo.toml"
    tree, _ = output("cargo", "metadata", "--locked", "--format-version", "1", "--manifest-path", manifest)
    name = re.escape(CRATES[proposal])
    source = pathlib.Path(re.search(rf'"manifest_path":"([^"]*/{name}-\d[^"/]*)/Cargo.toml"', tree)[1])
    copy = TARGET / proposal / source.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(source, copy)
    output("patch", "-p1", "-i", HERE / proposal / "change.diff", cwd=copy)
    return copy


def build(proposal, variant, patch):
    """Builds a copy of the program, so that the patch changes no file of the repository."""
    folder, target = TARGET / proposal / variant, TARGET / "build"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(HERE / proposal, folder, ignore=shutil.ignore_patterns("target"))
    with (folder / "Cargo.toml").open("a") as manifest:
        manifest.write(patch)
    locked = [] if patch else ["--locked"]
    subprocess.run(["cargo", "build", "--release", *locked, "--manifest-path", folder / "Cargo.toml", "--target-dir", target], check=True)
    return shutil.copy2(target / "release" / proposal, folder / "program")


def instructions(program, case, count):
    """Returns the instructions of a process that handles `count` messages."""
    _, log = output(shutil.which("valgrind"), "--tool=callgrind", "--callgrind-out-file=/dev/null", program, case, count, env={})
    return int(re.search(r"Collected\s*:\s*(\d+)", log)[1])


def counts(program, case, fast):
    """Returns the counts per message by name."""
    found = dict(line.split("\t") for line in output(program, case)[0].splitlines())
    if not fast:
        found["instructions"] = f"{(instructions(program, case, MANY) - instructions(program, case, FEW)) / (MANY - FEW):.0f}"
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("proposal", choices=CRATES)
    parser.add_argument("--only", default="", help="cases with this in their name")
    parser.add_argument("--fast", action="store_true", help="without instructions, so without valgrind")
    options = parser.parse_args()
    if not options.fast and not shutil.which("valgrind"):
        sys.exit("valgrind is missing: apt-get install valgrind")
    path = changed_crate(options.proposal)
    before = build(options.proposal, "before", "")
    after = build(options.proposal, "after", f'\n[patch.crates-io]\n{CRATES[options.proposal]} = {{ path = "{path}" }}\n')
    header = None
    for case in output(before)[0].splitlines():
        if options.only not in case:
            continue
        old, new = counts(before, case, options.fast), counts(after, case, options.fast)
        if not header:
            header = ["per message, before → after", *old]
            print("|".join(["", *(f" {name} " for name in header), ""]), "|".join(["", *(" --- " for _ in header), ""]), sep="\n")
        row = [case, *(old[name] if old[name] == new[name] else f"{old[name]} → {new[name]}" for name in old)]
        print("|".join(["", *(f" {cell} " for cell in row), ""]), flush=True)


if __name__ == "__main__":
    main()
