#!/usr/bin/env bash
# Builds the gateway example with profile-guided optimization: benches/peers/pgo.sh [SECONDS]
#
# 1. Builds it with counters. 2. Runs it under the loads of run.py, SECONDS for each of them (default: 5): HTTP/1.1 with 13
# bytes, with 12 headers and 1 KiB, with 64 KiB, and HTTP/2. 3. Builds it again by what was counted. The result is
# target/pgo/gateway, which run.py measures as a row of its own. The variable FEATURES adds features, such as postgres.
#
# Takes two release builds. Needs what run.py needs, and llvm-profdata of LLVM 19 or later: `apt-get install llvm-19`, or
# `rustup component add llvm-tools`.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-5}
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/pgo
host=$(rustc --version --verbose | sed -n 's/^host: //p')

# Prints the first llvm-profdata that reads the profiles of this compiler.
profdata() {
    local tool major
    for tool in "$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata" llvm-profdata{-{30..19},}; do
        tool=$(command -v "$tool") || continue
        major=$("$tool" --version | sed -n 's/.*LLVM version \([0-9]*\).*/\1/p')
        if ((major >= 19)); then
            echo "$tool"
            return
        fi
    done
    echo "llvm-profdata of LLVM 19 or later is missing: apt-get install llvm-19, or rustup component add llvm-tools" >&2
    return 1
}
profdata=$(profdata)

# Builds with the flags $2 in the folder $1. With --target, they are not for build scripts and macros.
build() {
    RUSTFLAGS="${RUSTFLAGS:-} $2" cargo build --locked --release --example gateway ${FEATURES:+--features "$FEATURES"} \
        --target "$host" --target-dir "$target/$1"
}

rm -rf "$target/profiles"
build counted "-Cprofile-generate=$target/profiles"
python3 benches/peers/run.py --alone --gateway "$target/counted/$host/release/examples/gateway" --pgo "$target/none" \
    --rounds 1 --seconds "$seconds" --loads '' --protocols http2,http2_headers --tls ''
"$profdata" merge -o "$target/merged.profdata" "$target/profiles"
build optimized "-Cprofile-use=$target/merged.profdata"
cp "$target/optimized/$host/release/examples/gateway" "$target/gateway"
echo "built $target/gateway"
