"""Computes the slots of keys in another language: writes slots.json, or checks it with --check.

slot = floor(XXH64(key, seed=salt) * 10,000 / 2^64)
"""

import json
import pathlib
import sys

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def rotate(x, by):
    return ((x << by) | (x >> (64 - by))) & MASK


def round_(acc, lane):
    return rotate((acc + lane * P2) & MASK, 31) * P1 & MASK


def xxh64(data, seed):
    at, acc = 0, (seed + P5) & MASK
    if len(data) >= 32:
        accs = [(seed + P1 + P2) & MASK, (seed + P2) & MASK, seed, (seed - P1) & MASK]
        while at + 32 <= len(data):
            for i in range(4):
                accs[i] = round_(accs[i], int.from_bytes(data[at + 8 * i : at + 8 * i + 8], "little"))
            at += 32
        acc = sum(rotate(a, by) for a, by in zip(accs, (1, 7, 12, 18))) & MASK
        for a in accs:
            acc = ((acc ^ round_(0, a)) * P1 + P4) & MASK
    acc = (acc + len(data)) & MASK
    while at + 8 <= len(data):
        acc = (rotate(acc ^ round_(0, int.from_bytes(data[at : at + 8], "little")), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= len(data):
        acc = (rotate(acc ^ (int.from_bytes(data[at : at + 4], "little") * P1 & MASK), 23) * P2 + P3) & MASK
        at += 4
    while at < len(data):
        acc = rotate(acc ^ (data[at] * P5 & MASK), 11) * P1 & MASK
        at += 1
    acc = (acc ^ (acc >> 33)) * P2 & MASK
    acc = (acc ^ (acc >> 29)) * P3 & MASK
    return acc ^ (acc >> 32)


def slot(salt, key):
    return xxh64(key, salt) * 10_000 >> 64


def vectors():
    keys = [b"", b"a", b"alice", b"bob", "zo\u00eb".encode(), b"user-12345678", b"10.0.0.7", b"2001:db8::1", b"\x00\xff"]
    keys += [bytes(range(n)) for n in (3, 4, 7, 8, 12, 31, 32, 33, 63, 64, 100)]
    salts = [0, 1, 7, 0x8000000000000000, 0xFFFFFFFFFFFFFFFF]
    return [
        {"salt": f"{salt:016x}", "key": key.hex(), "hash": f"{xxh64(key, salt):016x}", "slot": slot(salt, key)}
        for salt in salts
        for key in keys
    ]


if __name__ == "__main__":
    path = pathlib.Path(__file__).with_name("slots.json")
    text = "[\n" + ",\n".join("  " + json.dumps(vector) for vector in vectors()) + "\n]\n"
    if sys.argv[1:] == ["--check"]:
        sys.exit(path.read_text() != text)
    path.write_text(text)
