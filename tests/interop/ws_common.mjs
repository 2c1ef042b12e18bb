// What the clients on node have in common.

import assert from "node:assert/strict";
import { once } from "node:events";
import WebSocket from "ws";

export const TEXT = "κόσμε, € 😀";
export const BYTES = Buffer.alloc(10240, Uint8Array.from({ length: 256 }, (_, i) => i));

/**
 * Opens a connection; `next()` waits for the next message: a string, or a Buffer; `agreed` is what the server said
 * about extensions, if anything.
 */
export async function open(url, protocols = [], options = {}) {
  const ws = new WebSocket(url, protocols, { maxPayload: 0, ...options });
  const queue = [];
  let wake = () => {};
  ws.on("message", (data, isBinary) => {
    queue.push(isBinary ? data : data.toString());
    wake();
  });
  ws.next = async () => {
    while (queue.length === 0) {
      assert.ok(ws.readyState < WebSocket.CLOSED, ws.error?.message ?? "the connection was closed");
      await new Promise((resolve) => (wake = resolve));
    }
    return queue.shift();
  };
  ws.on("error", (error) => (ws.error = error)); // `close` comes after it
  ws.on("close", () => wake());
  ws.on("upgrade", (response) => (ws.agreed = response.headers["sec-websocket-extensions"]));
  await once(ws, "open");
  return ws;
}

export async function close(ws, ...args) {
  ws.close(...args);
  const [code, reason] = await once(ws, "close");
  return { code, reason: reason.toString() };
}

/** Sends each message when the one before has come back. */
export async function exchange(ws, messages) {
  for (const message of messages) {
    ws.send(message);
    const answer = await ws.next();
    assert.ok(
      typeof message === "string" ? answer === message : message.equals(answer),
      `${message.length} came back as ${answer.length}`,
    );
  }
}

/** Sends all of them before any has come back. */
export async function exchangeAtOnce(ws, texts) {
  texts.forEach((text) => ws.send(text));
  for (const text of texts) assert.equal(await ws.next(), text);
}

/** The server closes first, and says why. */
export async function closedByTheServer(ws, expected) {
  const [code, reason] = await once(ws, "close");
  assert.equal(code, expected);
  assert.ok(reason.length > 0);
}

/** Sends a message in these parts. */
export function sendParts(ws, parts, options) {
  parts.forEach((part, i) => ws.send(part, { ...options, fin: i === parts.length - 1 }));
}

export function within(milliseconds, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("the time is up")), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

export async function run(cases) {
  for (const [name, test] of Object.entries(cases)) {
    try {
      await within(20_000, test());
      console.log(`ok ${name}`);
    } catch (error) {
      console.log(`FAIL ${name}: ${String(error.message).replaceAll("\n", " ")}`);
    }
  }
}
