// The cases of Chromium as a client. Those that it shares with ws_client.mjs and ws_deflate.mjs have their names.
//
// Chromium runs without a window, and is driven over the pipe of its DevTools protocol; it ends when we do.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, within } from "./ws_common.mjs";

/** Runs in the page; returns its cases. */
function casesOfThePage(PLAIN, SMALL, DEFLATE, SMALL_DEFLATE) {
  const MIB = 1 << 20;
  const TEXT = "κόσμε, € 😀";
  const BYTES = Uint8Array.from({ length: 10240 }, (_, i) => i);

  function assert(holds, why) {
    if (!holds) throw new Error(why);
  }

  function random(length) {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += 65536) crypto.getRandomValues(bytes.subarray(at, at + 65536));
    return bytes;
  }

  /** Opens a connection, compressed or not as it should be; `next()` waits for the next message: a string, or bytes. */
  async function open(url, protocols = []) {
    const ws = new WebSocket(url, protocols);
    ws.binaryType = "arraybuffer";
    const queue = [];
    let wake = () => {};
    ws.onmessage = ({ data }) => {
      queue.push(typeof data === "string" ? data : new Uint8Array(data));
      wake();
    };
    ws.closed = new Promise((resolve) => {
      ws.onclose = (event) => {
        resolve(event);
        wake();
      };
    });
    ws.next = async () => {
      while (queue.length === 0) {
        assert(ws.readyState < WebSocket.CLOSED, "the connection was closed");
        await new Promise((resolve) => (wake = resolve));
      }
      return queue.shift();
    };
    await new Promise((resolve, reject) => {
      ws.onopen = resolve;
      ws.onerror = () => reject(new Error("the connection failed"));
    });
    const expected = url === DEFLATE || url === SMALL_DEFLATE ? /^permessage-deflate(; |$)/ : /^$/;
    assert(expected.test(ws.extensions), `extensions: ${ws.extensions}`);
    return ws;
  }

  async function close(ws, ...args) {
    ws.close(...args);
    const { code, reason, wasClean } = await ws.closed;
    assert(wasClean, `it was closed without a Close frame: ${code} ${reason}`);
    return { code, reason };
  }

  function isSame(a, b) {
    if (typeof a === "string" || typeof b === "string") return a === b;
    return a.length === b.length && a.every((byte, i) => byte === b[i]);
  }

  async function echoes(url, ...messages) {
    const ws = await open(url);
    for (const message of messages) {
      ws.send(message);
      const answer = await ws.next();
      assert(isSame(answer, message), `${message.length} came back as ${answer.length}`);
    }
    const { code } = await close(ws, 1000);
    assert(code === 1000, `closed with ${code}`);
  }

  /** All of them before any has come back. */
  async function echoesAtOnce(url, messages) {
    const ws = await open(url);
    messages.forEach((message) => ws.send(message));
    for (const message of messages) assert((await ws.next()) === message, message);
    await close(ws);
  }

  async function closes(url, sent, seen = sent) {
    const { code, reason } = await close(await open(url), ...sent);
    assert(code === seen[0] && reason === seen[1], `closed with ${code} ${reason}`);
  }

  async function closedFor(expected, url, message) {
    const ws = await open(url);
    ws.send(message);
    const { code, reason } = await ws.closed;
    assert(code === expected && reason.length > 0, `closed with ${code} ${reason}`);
  }

  const lengths = [125, 126, 127, 65535, 65536, 65537].flatMap((n) => ["x".repeat(n), new Uint8Array(n)]);
  const many = Array.from({ length: 1000 }, (_, i) => String(i).repeat(i % 70));
  const similar = Array.from({ length: 200 }, (_, i) => JSON.stringify({ number: i, text: TEXT, nothing: null }));

  return {
    "text": () => echoes(PLAIN, "Hello", TEXT, "\0"),
    "binary": () => echoes(`${PLAIN}/any/path?and=query`, new Uint8Array(1), BYTES),
    "empty messages": () => echoes(PLAIN, "", new Uint8Array(0)),
    "lengths": () => echoes(PLAIN, ...lengths),
    "sixteen mib": () => echoes(PLAIN, new Uint8Array(16 * MIB).fill(120)),
    "fragments from the server": () =>
      echoes(SMALL, TEXT.repeat(1000), BYTES, BYTES.subarray(0, 1000), BYTES.subarray(0, 1001)),
    "many at once": () => echoesAtOnce(PLAIN, many),
    async "subprotocol"() {
      const ws = await open(PLAIN, ["soap", "superchat", "chat"]);
      assert(ws.protocol === "superchat", `subprotocol: ${ws.protocol}`);
      await close(ws);
    },
    async "no common subprotocol"() {
      // A browser insists on one (RFC 6455 §4.1 does not).
      const failed = await open(PLAIN, ["soap"]).catch((error) => error.message);
      assert(failed === "the connection failed", "it was accepted");
      await close(await open(PLAIN));
    },
    "close normally": () => closes(PLAIN, [1000, ""]),
    async "close with a reason"() {
      await closes(PLAIN, [3000, TEXT]);
      await closes(PLAIN, [4999, "x".repeat(123)]);
    },
    "close without a code": () => closes(PLAIN, [], [1005, ""]),
    "too large a message": () => closedFor(1009, SMALL, new Uint8Array(70_001)),
    async "gone without a Close frame"() {
      // The page leaves, as when a tab is closed. That the server survives it is seen later.
      const frame = document.body.appendChild(document.createElement("iframe"));
      const ws = new frame.contentWindow.WebSocket(PLAIN);
      await new Promise((resolve, reject) => {
        ws.onopen = resolve;
        ws.onerror = () => reject(new Error("the connection failed"));
      });
      frame.remove();
    },

    "deflate is agreed on": () => closes(DEFLATE, [1000, ""]),
    "deflate is not agreed on": () => closes(PLAIN, [1000, ""]),
    "deflate text": () => echoes(DEFLATE, "Hello", TEXT, "\0"),
    "deflate binary": () => echoes(DEFLATE, new Uint8Array(1), BYTES),
    "deflate empty messages": () => echoes(DEFLATE, "", new Uint8Array(0), "Hello", "", "Hello"),
    "deflate lengths": () => echoes(DEFLATE, ...lengths),
    "deflate many at once": () => echoesAtOnce(DEFLATE, many),
    "deflate similar messages": () => echoesAtOnce(DEFLATE, similar),
    "deflate compressible data": () =>
      echoes(DEFLATE, similar.join("").repeat(100).slice(0, MIB), new Uint8Array(16 * MIB)),
    "deflate random data": () => echoes(DEFLATE, random(65537), random(MIB), "Hello"),
    "deflate fragments from the server": () =>
      echoes(SMALL_DEFLATE, TEXT.repeat(1000), random(60_000), random(1000), "Hello"),
    "deflate too large a message": () => closedFor(1009, SMALL_DEFLATE, new Uint8Array(70_001)),
    "deflate close with a reason": () => closes(DEFLATE, [3000, TEXT]),
  };
}

/** The DevTools protocol: JSON, each with a zero byte behind it, on the descriptors 3 and 4. */
class Browser {
  #process;
  #profile = mkdtempSync(join(tmpdir(), "chromium-"));
  #pending = new Map();
  #last = 0;

  constructor() {
    this.#process = spawn(
      "chromium",
      [
        "--headless=new",
        "--no-sandbox", // it does not start as root with it
        "--remote-debugging-pipe",
        `--user-data-dir=${this.#profile}`,
        "--ignore-certificate-errors", // our CA is in no store
        "--disable-dev-shm-usage", // which is small in a container
        "about:blank",
      ],
      { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
    );
    const [, , , input, output] = this.#process.stdio;
    input.on("error", () => {}); // it has ended; `gone` says so
    let rest = "";
    output.setEncoding("utf8").on("data", (data) => {
      const parts = (rest + data).split("\0");
      rest = parts.pop();
      parts.map((part) => JSON.parse(part)).forEach((message) => this.#hear(message));
    });
    const gone = (why) => this.#pending.forEach(({ reject }) => reject(new Error(`chromium is gone: ${why}`)));
    this.#process.on("exit", gone).on("error", gone);
  }

  #hear({ id, result, error }) {
    const answered = this.#pending.get(id);
    if (!answered) return; // an event
    this.#pending.delete(id);
    if (error) answered.reject(new Error(error.message));
    else answered.resolve(result);
  }

  call(method, params = {}, sessionId = undefined) {
    const id = ++this.#last;
    this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  async close() {
    const exit = once(this.#process, "exit");
    this.call("Browser.close").catch(() => {});
    await exit;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** A page in which to evaluate an expression, or the promise that it is. */
async function openPage(browser) {
  const { targetId } = await browser.call("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await browser.call("Target.attachToTarget", { targetId, flatten: true });
  return async (expression) => {
    const options = { expression, awaitPromise: true, returnByValue: true };
    const { result, exceptionDetails } = await browser.call("Runtime.evaluate", options, sessionId);
    if (exceptionDetails) {
      const { exception, text } = exceptionDetails;
      throw new Error((exception?.description ?? text).split("\n")[0]);
    }
    return result.value;
  };
}

const browser = new Browser();
const evaluate = await within(20_000, openPage(browser));
const urls = process.argv.slice(2).map((url) => JSON.stringify(url));
const names = await evaluate(`globalThis.cases = (${casesOfThePage})(${urls}); Object.keys(cases)`);
await run(Object.fromEntries(names.map((name) => [name, () => evaluate(`cases[${JSON.stringify(name)}]()`)])));
await within(20_000, browser.close());
