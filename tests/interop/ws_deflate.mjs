// The cases of node's `ws` as a client that compresses. Keep in step with websockets_deflate.py.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { BYTES, TEXT, close, closedByTheServer, exchange, exchangeAtOnce, open, run, sendParts } from "./ws_common.mjs";

const [PLAIN, DEFLATE, SMALL] = process.argv.slice(2);
const MIB = 1 << 20;
const range = (from, to) => Array.from({ length: to - from }, (_, i) => from + i);

const RANDOM = randomBytes(MIB);
// For each window, what repeats itself just beyond it: whoever looks too far back is found out, where a message begins
// or an inflater's buffer is full.
const BEYOND = range(8, 16).flatMap((bits) => {
  const period = 1.25 * 2 ** bits;
  const message = Buffer.alloc(period * Math.max(2, Math.floor(20_000 / period)), randomBytes(period));
  return [message, message];
});
const SHARED = randomBytes(150).toString("hex");
const SIMILAR = range(0, 200).map((number) => JSON.stringify({ number, SHARED }));

/** Offers the extension with these parameters; the server has to agree on just these. */
async function agree(parameters = {}, url = DEFLATE) {
  const ws = await open(url, [], { perMessageDeflate: { threshold: 0, ...parameters } });
  const expected = ["permessage-deflate"];
  for (const [name, value] of Object.entries(parameters)) {
    const parameter = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (value !== false) expected.push(value === true ? parameter : `${parameter}=${value}`);
  }
  assert.deepEqual(ws.agreed?.split("; ").sort(), expected.sort());
  return ws;
}

async function end(ws) {
  assert.equal((await close(ws, 1000)).code, 1000);
}

async function echoes(messages, url) {
  const ws = await agree({}, url);
  await exchange(ws, messages);
  await end(ws);
}

/** The messages that show whether both sides keep to the parameters. */
async function talk(ws) {
  await exchange(ws, ["", "Hello", TEXT, "", "Hello", Buffer.alloc(0), BYTES, ...BEYOND, RANDOM.subarray(0, 70_000)]);
  await exchangeAtOnce(ws, SIMILAR);
  sendParts(ws, ["", "Hel", "", "lo", ""]);
  assert.equal(await ws.next(), "Hello");
  await exchange(ws, ["Hello"]);
  await end(ws);
}

async function keepsTo(...offers) {
  for (const parameters of offers) {
    try {
      await talk(await agree(parameters));
    } catch (error) {
      throw new Error(`${JSON.stringify(parameters)}: ${error.message}`, { cause: error });
    }
  }
}

/** How many bytes come back. */
async function received(ws, messages) {
  const before = ws._socket.bytesRead;
  await exchange(ws, messages);
  return ws._socket.bytesRead - before;
}

async function closedFor(code, url, send) {
  const ws = await agree({}, url);
  send(ws);
  await closedByTheServer(ws, code);
}

const CASES = {
  async "agreed on"() {
    await end(await agree());
  },
  async "declined"() {
    const ws = await open(PLAIN, [], { perMessageDeflate: true });
    assert.equal(ws.agreed, undefined);
    await exchange(ws, ["Hello"]);
    await end(ws);
  },
  async "not offered"() {
    const ws = await open(DEFLATE, [], { perMessageDeflate: false });
    assert.equal(ws.agreed, undefined);
    await exchange(ws, ["Hello", "Hello"]);
    await end(ws);
  },
  async "text"() {
    await echoes(["Hello", TEXT, "\0", "Hello", TEXT.repeat(1000)]);
  },
  async "binary"() {
    await echoes([Buffer.alloc(1), BYTES, BYTES]);
  },
  async "empty messages"() {
    await echoes(["", "", Buffer.alloc(0), "Hello", "", "Hello"]);
  },
  async "lengths"() {
    const lengths = [...range(110, 130), ...range(65520, 65540)];
    await echoes([...lengths.map((n) => RANDOM.subarray(0, n)), ...lengths.map((n) => "x".repeat(n))]);
  },
  async "sixteen mib"() {
    await echoes([Buffer.alloc(16 * MIB, "x")]);
  },
  async "random data"() {
    await echoes([RANDOM, "Hello", RANDOM]);
  },
  async "it saves bytes"() {
    const ws = await agree();
    const bytes = await received(ws, [TEXT.repeat(100_000), Buffer.alloc(MIB, "x")]);
    assert.ok(bytes < 100_000, `${bytes} bytes`);
    await end(ws);
  },
  async "similar messages save bytes"() {
    const ws = await agree();
    const bytes = await received(ws, SIMILAR);
    assert.ok(bytes < 64 * SIMILAR.length, `${bytes} bytes`);
    await end(ws);
  },
  async "many at once"() {
    const ws = await agree();
    await exchangeAtOnce(ws, range(0, 1000).map((i) => String(i).repeat(i % 70)));
    await end(ws);
  },
  async "fragments"() {
    const ws = await agree();
    sendParts(ws, ["Hel", "", "lo, ", "world"]);
    assert.equal(await ws.next(), "Hello, world");
    sendParts(ws, [Buffer.alloc(0), BYTES, RANDOM, BYTES, Buffer.alloc(0)]);
    assert.ok(Buffer.concat([BYTES, RANDOM, BYTES]).equals(await ws.next()));
    await end(ws);
  },
  async "fragments inside characters"() {
    const ws = await agree();
    sendParts(ws, [...Buffer.from(TEXT)].map((byte) => Buffer.of(byte)), { binary: false });
    assert.equal(await ws.next(), TEXT);
    await end(ws);
  },
  async "fragments from the server"() {
    await echoes([TEXT.repeat(1000), RANDOM.subarray(0, 60_000), RANDOM.subarray(0, 1000), SHARED], SMALL);
  },
  async "ping between fragments"() {
    const ws = await agree();
    ws.send("one, ", { fin: false });
    ws.ping("between");
    const [pong] = await once(ws, "pong");
    assert.equal(pong.toString(), "between");
    ws.send("two", { fin: true });
    assert.equal(await ws.next(), "one, two");
    await end(ws);
  },
  async "some messages are not compressed"() {
    const ws = await agree();
    for (const compress of [true, false, true, false, true]) {
      ws.send(SHARED, { compress });
      assert.equal(await ws.next(), SHARED);
    }
    await end(ws);
  },
  async "no context takeover"() {
    await keepsTo(
      { serverNoContextTakeover: true },
      { clientNoContextTakeover: true },
      { serverNoContextTakeover: true, clientNoContextTakeover: true },
    );
  },
  async "windows of the server"() {
    await keepsTo(...range(8, 16).map((bits) => ({ serverMaxWindowBits: bits })));
  },
  async "windows of the client"() {
    await keepsTo({ clientMaxWindowBits: false }, ...range(8, 16).map((bits) => ({ clientMaxWindowBits: bits })));
  },
  async "all parameters"() {
    const neither = { serverNoContextTakeover: true, clientNoContextTakeover: true };
    await keepsTo({ ...neither, serverMaxWindowBits: 9, clientMaxWindowBits: 9 });
  },
  async "as large as may be"() {
    await echoes([Buffer.alloc(70_000)], SMALL);
  },
  async "too large a message"() {
    await closedFor(1009, SMALL, (ws) => ws.send(Buffer.alloc(70_001)));
  },
  async "too large in fragments"() {
    await closedFor(1009, SMALL, (ws) => sendParts(ws, [Buffer.alloc(70_000), Buffer.alloc(1)]));
  },
  async "far too large a message"() {
    await closedFor(1009, SMALL, (ws) => ws.send(Buffer.alloc(16 * MIB)));
  },
  async "invalid utf8"() {
    await closedFor(1007, DEFLATE, (ws) => ws.send(Buffer.from("Hello \xff", "latin1"), { binary: false }));
  },
  async "invalid data"() {
    // A DEFLATE block of the type 3.
    await closedFor(1007, DEFLATE, (ws) => ws._socket.write(Buffer.of(0xc1, 0x81, 0, 0, 0, 0, 7)));
  },
  async "compressed but not agreed on"() {
    const ws = await open(DEFLATE, [], { perMessageDeflate: false });
    ws._socket.write(Buffer.of(0xc1, 0x81, 0, 0, 0, 0, 0));
    await closedByTheServer(ws, 1002);
  },
};

await run(CASES);
process.exit();
