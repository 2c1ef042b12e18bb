"""Compression as C zlib knows it, by Python's `zlib` module: reads what our encoder has written, and writes what a
peer with zlib could send.

    zlib_check.py read      each line of standard input is one direction of a connection
    zlib_check.py write     each line of standard output is one

A line has the window's bits, whether the context is taken over (1 or 0), and the compressed messages in their order,
each with what it means, in hexadecimal, all between spaces:

    15 1 f248cdc9c90700:48656c6c6f f200110000:48656c6c6f
"""

import random
import sys
import zlib

TAIL = bytes.fromhex("0000ffff")


def inflate(decoder, data, step):
    """All that comes out, `step` bytes at a time: so zlib itself sees nothing but the window behind them."""
    out = []
    while data:
        piece = decoder.decompress(data, step)
        out.append(piece)
        data = decoder.unconsumed_tail
        if not piece and data:
            raise ValueError("zlib does not go on")
    while piece := decoder.decompress(b"", step):
        out.append(piece)
    return b"".join(out)


def read(source):
    count = messages = 0
    for count, line in enumerate(sys.stdin, 1):
        bits, takeover, *pairs = line.split()
        # zlib has decoders with windows of 8 to 15 bits. In steps of a byte, nothing beyond the window is there.
        step = 1 if source.random() < 0.5 or int(bits) < 10 else source.choice([2, 7, 100])
        decoder = zlib.decompressobj(-int(bits))
        for at, pair in enumerate(pairs):
            payload, meant = map(bytes.fromhex, pair.split(":"))
            if takeover == "0":
                decoder = zlib.decompressobj(-int(bits))
            try:
                seen = inflate(decoder, payload + TAIL, step)
            except (zlib.error, ValueError) as error:
                sys.exit(f"line {count} ({bits} bits), message {at}: {error}: {payload.hex()[:400]}")
            if seen != meant or decoder.eof:
                sys.exit(f"line {count} ({bits} bits), message {at}: {meant.hex()[:400]} was meant, {seen.hex()[:400]} was seen")
            messages += 1
    print(f"{count} lines, {messages} messages")


def data(source, past):
    """Bytes that are in part like those before them."""
    size = source.choice([0, 1, 5, 60, 300, 1000, 5000, 40_000])
    size = source.randint(0, size)
    new = b""
    while len(new) < size:
        all = past[-40_000:] + new
        match source.randrange(5):
            case 0:
                new += source.randbytes(source.randint(1, 100))
            case 1:
                new += bytes(source.randint(1, 600))
            case 2:
                new += TAIL
            case 3:
                new += b"words, words and words "
            case _:
                at = max(0, len(all) - source.randint(1, 2 ** source.randint(8, 15)))
                new += all[at : at + source.randint(3, 400)]
    return new[:size]


LEVELS = range(10)
STRATEGIES = [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED]


def compress(encoder, plain, source):
    """A message's payload, flushed now and then before its end; and whether its last block is final."""
    out = b""
    while source.random() < 0.3:
        cut = source.randint(0, len(plain))
        flush = source.choice([zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH, zlib.Z_PARTIAL_FLUSH, zlib.Z_BLOCK, zlib.Z_NO_FLUSH])
        out += encoder.compress(plain[:cut]) + encoder.flush(flush)
        plain = plain[cut:]
    out += encoder.compress(plain)
    if source.random() < 0.1:
        return out + encoder.flush(zlib.Z_FINISH), True
    out += encoder.flush(source.choice([zlib.Z_SYNC_FLUSH, zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH]))
    # If there was nothing to flush, zlib does not say so again.
    return (out[:-4] if out.endswith(TAIL) else out + b"\x00"), False


def write(source):
    combinations = [(level, bits, strategy) for level in LEVELS for bits in range(9, 16) for strategy in STRATEGIES]
    for level, bits, strategy in combinations:
        memory, takeover = source.randint(1, 9), source.randrange(2)

        def new():
            return zlib.compressobj(level, zlib.DEFLATED, -bits, memory, strategy)

        encoder, past, pairs = new(), b"", []
        for _ in range(source.randint(1, 6)):
            plain = data(source, past)
            payload, is_final = compress(encoder, plain, source)
            if is_final:
                # RFC 7692 §7.2.3.4; what ends with a final block, which is empty and stored, is cut off like any other.
                match source.randrange(3):
                    case 0 if payload.endswith(b"\x01" + TAIL):
                        payload = payload[:-4]
                    case 1:
                        payload += b"\x00"
            past += plain
            pairs.append(f"{payload.hex()}:{plain.hex()}")
            if is_final or not takeover:
                encoder = new()
        print(bits, takeover, *pairs)


{"read": read, "write": write}[sys.argv[1]](random.Random(7692))
