#!/usr/bin/env bash
# Runs the fuzz targets, all or those that are named, each for so many seconds: run.sh [seconds] [target...]
# Prints a line for each; fails if one finds something. What it found is in artifacts/; inputs that reach
# something new are kept if CORPUS names a directory for them.
set -euo pipefail
corpus=${CORPUS:+$(realpath -m "$CORPUS")}
cd "$(dirname "$0")"

seconds=${1:-60}
shift || true
[[ $seconds =~ ^[0-9]+$ ]] || { echo "usage: run.sh [seconds] [target...]" >&2; exit 2; }
targets=("$@")
if ((${#targets[@]} == 0)); then
    for file in fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

if ! cargo +nightly --version >/dev/null 2>&1; then
    rustup toolchain install nightly --profile minimal || { echo "a nightly toolchain is needed" >&2; exit 1; }
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install cargo-fuzz --locked || { echo "cargo-fuzz is needed" >&2; exit 1; }
fi
# What is freed may be used again soon: a connection's 65 KiB of input would otherwise be fresh pages each time.
export ASAN_OPTIONS=${ASAN_OPTIONS:-quarantine_size_mb=1:thread_local_quarantine_size_kb=64}
cargo +nightly fuzz build >&2

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=()
printf '%-15s %12s %8s %8s %9s %8s\n' target executions exec/s coverage features seconds
for target in "${targets[@]}"; do
    # The longest input that still runs in a millisecond or so, and is as long as the target can make use of.
    case $target in
        header) options=(-max_len=32) ;;
        mask | utf8 | url) options=(-max_len=512) ;;
        deflate) options=(-max_len=300) ;;
        duplex | driver) options=(-max_len=800) ;;
        inflate) options=(-max_len=600) ;;
        *) options=(-max_len=1500) ;;
    esac
    case $target in http_* | extensions | url) options+=(-dict=http.dict) ;; esac
    new=${corpus:-$scratch}/$target
    mkdir -p "$new"
    log=$scratch/$target.log
    begun=$SECONDS
    status=0
    cargo +nightly fuzz run "$target" "$new" "corpus/$target" -- -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 "${options[@]}" >"$log" 2>&1 || status=$?
    last=$(grep -E '^#[0-9]+.* cov: ' "$log" | tail -n 1 || true)
    field() { sed -nE "s/.* $1: ([0-9]+).*/\1/p" <<<"$last"; }
    total() { sed -nE "s/^stat::$1: +([0-9]+).*/\1/p" "$log"; }
    printf '%-15s %12s %8s %8s %9s %8s\n' "$target" "$(total number_of_executed_units)" \
        "$(total average_exec_per_sec)" "$(field cov)" "$(field ft)" "$((SECONDS - begun))"
    if ((status != 0)); then
        failed+=("$target")
        tail -n 60 "$log" >&2
    fi
done
if ((${#failed[@]} > 0)); then
    echo "found something: ${failed[*]}" >&2
    exit 1
fi
