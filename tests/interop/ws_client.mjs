// The cases of node's `ws` as a client. Keep in step with websockets_client.py.

import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket from "ws";
import { BYTES, TEXT, close, closedByTheServer, exchange, exchangeAtOnce, open, run, sendParts } from "./ws_common.mjs";

const [PLAIN, SMALL] = process.argv.slice(2);

async function echoes(url, messages, options) {
  const ws = await open(url, [], options);
  await exchange(ws, messages);
  assert.equal((await close(ws, 1000)).code, 1000);
}

async function closes(code, reason) {
  assert.deepEqual(await close(await open(PLAIN), code, reason), { code, reason });
}

async function closedFor(code, url, send) {
  const ws = await open(url);
  send(ws);
  await closedByTheServer(ws, code);
}

const CASES = {
  async "text"() {
    await echoes(PLAIN, ["Hello", TEXT, "\0"]);
  },
  async "binary"() {
    await echoes(`${PLAIN}/any/path?and=query`, [Buffer.alloc(1), BYTES]);
  },
  async "empty messages"() {
    await echoes(PLAIN, ["", Buffer.alloc(0)]);
  },
  async "lengths"() {
    for (const n of [125, 126, 127, 65535, 65536, 65537]) {
      await echoes(PLAIN, ["x".repeat(n), Buffer.alloc(n, "x")]);
    }
  },
  async "sixteen mib"() {
    await echoes(PLAIN, [Buffer.alloc(16 << 20, "x")]);
  },
  async "without deflate"() {
    await echoes(PLAIN, ["Hello"], { perMessageDeflate: false });
  },
  async "fragments"() {
    const ws = await open(PLAIN);
    sendParts(ws, ["Hel", "", "lo, ", "world"]);
    assert.equal(await ws.next(), "Hello, world");
    sendParts(ws, [BYTES, Buffer.alloc(0), BYTES, Buffer.from("x")]);
    assert.ok(Buffer.concat([BYTES, BYTES, Buffer.from("x")]).equals(await ws.next()));
    await close(ws);
  },
  async "fragments inside characters"() {
    const ws = await open(PLAIN);
    sendParts(ws, [...Buffer.from(TEXT)].map((byte) => Buffer.of(byte)), { binary: false });
    assert.equal(await ws.next(), TEXT);
    await close(ws);
  },
  async "fragments from the server"() {
    await echoes(SMALL, [TEXT.repeat(1000), BYTES, BYTES.subarray(0, 1000), BYTES.subarray(0, 1001)]);
  },
  async "ping"() {
    const ws = await open(PLAIN);
    for (const payload of ["", "are you there?", "x".repeat(125)]) {
      ws.ping(payload);
      const [pong] = await once(ws, "pong");
      assert.equal(pong.toString(), payload);
    }
    await close(ws);
  },
  async "ping between fragments"() {
    const ws = await open(PLAIN);
    ws.send("one, ", { fin: false });
    ws.ping("between");
    const [pong] = await once(ws, "pong");
    assert.equal(pong.toString(), "between");
    ws.send("two", { fin: true });
    assert.equal(await ws.next(), "one, two");
    await close(ws);
  },
  async "many at once"() {
    const messages = Array.from({ length: 1000 }, (_, i) => String(i).repeat(i % 70));
    const ws = await open(PLAIN);
    await exchangeAtOnce(ws, messages);
    await close(ws);
  },
  async "subprotocol"() {
    const ws = await open(PLAIN, ["soap", "superchat", "chat"]);
    assert.equal(ws.protocol, "superchat");
    await close(ws);
  },
  async "no common subprotocol"() {
    // `ws` as a client insists on one (RFC 6455 §4.1 does not), so it is the one that complains.
    await assert.rejects(open(PLAIN, ["soap"]), /Server sent no subprotocol/);
  },
  async "close normally"() {
    await closes(1000, "");
  },
  async "close with a reason"() {
    await closes(1001, TEXT);
    await closes(4999, "x".repeat(123));
  },
  async "close without a code"() {
    assert.equal((await close(await open(PLAIN))).code, 1005);
  },
  async "too large a message"() {
    await closedFor(1009, SMALL, (ws) => ws.send(Buffer.alloc(70_001)));
  },
  async "too large in fragments"() {
    await closedFor(1009, SMALL, (ws) => sendParts(ws, [Buffer.alloc(70_000), Buffer.alloc(1)]));
  },
  async "invalid utf8"() {
    await closedFor(1007, PLAIN, (ws) => ws.send(Buffer.from("Hello \xff", "latin1"), { binary: false }));
  },
  async "rejected upgrade"() {
    const ws = new WebSocket(PLAIN, { protocolVersion: 8 });
    const [, response] = await once(ws, "unexpected-response");
    assert.equal(response.statusCode, 426);
    assert.equal(response.headers["sec-websocket-version"], "13");
    response.resume();
    await once(response, "end");
  },
};

await run(CASES);
process.exit();
