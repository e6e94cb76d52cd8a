#!/usr/bin/env python3
"""Checks which crates appear in the public API, since a breaking release of one of them breaks ours.

Usage: external_types.py target/doc/tower_canary.json
"""

import json
import sys
from collections import defaultdict

# The crates whose types and traits may appear, with the reason for each.
ALLOWED = {
    "axum": "the admin API is an axum router",
    "bytes": "the data of bodies",
    "http": "requests, responses and their parts",
    "http_body": "bodies, as tower-http has them",
    "http_body_util": "the bodies of health probes and gates",
    "hyper": "the trait of the executor that runs upgraded connections",
    "hyper_util": "the stream of the guarded connector, as hyper-util's client takes it",
    "rustls": "the configuration of TLS to backends, and its errors",
    "sea_orm": "the connection that an application shares with the SQL store",
    "sea_orm_migration": "the migrations that an application runs among its own",
    "serde_core": "the traits of the feature `serde`",
    "serde_json": "the OpenAPI document and the error of a snapshot that is not JSON",
    "tokio": "the TCP stream of the guarded connector, and the traits of streams",
    "tower": "the trait of retry policies",
    "tower_layer": "the trait of layers",
    "tower_service": "the trait of services",
    "utoipa": "the wire types implement ToSchema for the OpenAPI document; `api` says that this is no promise",
}

# Always there: the standard library, and a private helper in the `Unpin` impls of pin-project-lite.
IGNORED = {"std", "core", "alloc", "pin_project_lite"}

# The format that the script was written for. The fields that it reads change rarely.
FORMAT = 57


def references(node):
    """Yields the ids of the types, traits and re-exports that a part of an item names."""
    if isinstance(node, dict):
        names_item = "path" in node or "source" in node
        if names_item and node.get("id") is not None:
            yield node["id"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def is_written(item):
    """Returns whether an item is in the source, unlike the impls that the compiler and blanket impls add."""
    impl = item["inner"].get("impl")
    return item["crate_id"] == 0 and not (impl and (impl["is_synthetic"] or impl["blanket_impl"]))


def external_types(doc):
    """Returns the external types by crate, each with the lines that name it."""
    found = defaultdict(lambda: defaultdict(set))
    for item in filter(is_written, doc["index"].values()):
        span = item["span"]
        place = f"{span['filename']}:{span['begin'][0]}" if span else str(item["name"])
        for reference in references(item["inner"]):
            path = doc["paths"].get(str(reference))
            if path is None or path["crate_id"] == 0:
                continue
            crate = doc["external_crates"][str(path["crate_id"])]["name"]
            found[crate]["::".join(path["path"])].add(place)
    return found


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        doc = json.load(file)
    if doc["format_version"] != FORMAT:
        print(f"rustdoc wrote format {doc['format_version']}, not {FORMAT}: check {sys.argv[0]} against it")
    found = external_types(doc)
    refused = sorted(found.keys() - ALLOWED.keys() - IGNORED)
    for crate in refused:
        for name, places in sorted(found[crate].items()):
            print(f"{name} is in the public API: {', '.join(sorted(places)[:5])}", file=sys.stderr)
    print("crates in the public API:", ", ".join(sorted(found.keys() - IGNORED)))
    if unused := sorted(ALLOWED.keys() - found.keys()):
        print("allowed, and not in the public API now:", ", ".join(unused))
    if refused:
        sys.exit(f"keep {', '.join(refused)} out of the public API, or add them to {sys.argv[0]} with a reason")


if __name__ == "__main__":
    main()
