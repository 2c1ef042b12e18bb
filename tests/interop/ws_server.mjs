// Node's `ws` as a server; the path says how it behaves. Keep in step with websockets_server.py.
//
// It compresses where the query says `deflate`; what else is in there are parameters of the extension.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import { WebSocketServer } from "ws";

async function answer(ws, path, data, binary, record) {
  switch (path) {
    case "/echo":
    case "/greeting":
      ws.send(data, { binary });
      break;
    case "/fragments":
      ws.send(data.subarray(0, 1), { binary, fin: false });
      ws.send(data.subarray(1, 1), { binary, fin: false });
      ws.send(data.subarray(1), { binary, fin: true });
      break;
    case "/ping":
      for (const part of [data.subarray(0, 2), data.subarray(2)]) {
        ws.ping(String(record.pongs));
        const [pong] = await once(ws, "pong");
        if (pong.toString() === String(record.pongs)) record.pongs += 1;
        ws.send(part, { binary, fin: part.byteOffset !== data.byteOffset });
      }
      break;
    case "/invalid":
      ws.send(Buffer.from("Hello \xff", "latin1"), { binary: false });
      break;
    case "/close":
      ws.close(4000, "enough");
      break;
    case "/large":
      ws.send(Buffer.alloc((16 << 20) + 1));
      break;
    case "/invalid-deflate":
      ws._socket.write(Buffer.of(0xc1, 1, 7)); // a DEFLATE block of the type 3
      break;
    case "/vanish":
      ws._socket.end(); // without a Close frame
      break;
  }
}

const [cert, key] = process.argv.slice(2);
const listener = cert
  ? https.createServer({ cert: readFileSync(cert), key: readFileSync(key) })
  : http.createServer();

/** What the query says about compression, as `ws` calls it. */
function deflateOptions({ searchParams }) {
  if (!searchParams.has("deflate")) return false;
  const options = { threshold: 0 };
  for (const [name, value] of searchParams) {
    options[name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())] = value ? Number(value) : true;
  }
  return options;
}

/** What was agreed on about the extension, in order; null without it. */
function parameters(headers) {
  const header = headers.find((line) => line.startsWith("Sec-WebSocket-Extensions: "));
  return header ? header.split("; ").slice(1).sort() : null;
}

function serve(ws, request, path, deflate) {
  const { "x-color": color, origin } = request.headers;
  const record = { pongs: 0, subprotocol: ws.protocol || null, color, origin, deflate };
  const socket = ws._socket;
  const before = socket.bytesRead;
  let bytesInMessages = 0;
  let last = Promise.resolve();
  ws.on("message", (data, binary) => {
    bytesInMessages += data.length;
    last = last.then(() => answer(ws, path, data, binary, record));
  });
  ws.on("error", () => {}); // `close` comes after it
  ws.on("close", (code, reason) => {
    if (path === "/wrong-subprotocol") return; // the client refused the handshake
    record.saves_bytes = socket.bytesRead - before < bytesInMessages / 2;
    console.log(JSON.stringify({ ...record, code, reason: reason.toString() }));
  });
  if (path === "/greeting") ws.send("welcome");
  if (path === "/bye") ws.close(1001);
}

// A server for each connection, because compression is an option of the server.
listener.on("upgrade", (request, socket, head) => {
  const url = new URL(request.url, "ws://localhost");
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: 0,
    perMessageDeflate: deflateOptions(url),
    handleProtocols: (offered) => (url.pathname === "/wrong-subprotocol" ? "another" : offered.has("chat") && "chat"),
    verifyClient: (_, decide) => decide(url.pathname !== "/refuse", 403, "not you\n"),
  });
  let deflate;
  server.on("headers", (headers) => (deflate = parameters(headers)));
  server.handleUpgrade(request, socket, head, (ws) => serve(ws, request, url.pathname, deflate));
});

listener.listen(0, "127.0.0.1", () =>
  console.log(`listening ${cert ? "wss" : "ws"}://127.0.0.1:${listener.address().port}`),
);
