#!/usr/bin/env bash
# Looks for memory errors while the tests run: tests/memory_errors.sh [memcheck|asan]
#
#   memcheck  valgrind over the tests of the two files with unsafe code. It knows no AVX-512, so that of masking it
#             sees the portable and the AVX2 code only.
#   asan      AddressSanitizer over the whole test suite; the code for AVX-512 too, where the processor has it. It needs
#             the nightly toolchain. Arguments behind it go to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-memcheck}" in
memcheck)
    if ! command -v valgrind >/dev/null; then
        apt-get -qq update && apt-get -qq install --no-install-recommends valgrind
    fi
    tests=$(cargo test --locked --lib --no-run --message-format json |
        sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
    # std keeps what it knows of the main thread to the end; that is no leak.
    valgrind --quiet --error-exitcode=1 --leak-check=full --errors-for-leak-kinds=definite \
        --show-leak-kinds=definite "$tests" utf8:: frame::mask::
    ;;
asan)
    target=$(rustc +nightly -vV | sed -n 's/^host: //p')
    # The tests that count allocations have an allocator of their own, above the sanitizer's. Those that count
    # instructions are told that somebody else does, because valgrind and the sanitizer exclude each other.
    SANSOCKET_COUNTED=1 RUSTFLAGS="-Zsanitizer=address" RUSTDOCFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR=target/asan \
        cargo +nightly test --locked --target "$target" --features full "${@:2}"
    ;;
*)
    echo "usage: $0 [memcheck|asan]" >&2
    exit 2
    ;;
esac
