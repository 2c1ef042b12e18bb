// Node's `ws` as a server; the path says how it behaves. Keep in step with websockets_server.py.

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
    case "/vanish":
      ws._socket.end(); // without a Close frame
      break;
  }
}

const [cert, key] = process.argv.slice(2);
const listener = cert
  ? https.createServer({ cert: readFileSync(cert), key: readFileSync(key) })
  : http.createServer();
const server = new WebSocketServer({
  server: listener,
  maxPayload: 0,
  handleProtocols: (offered, request) =>
    request.url === "/wrong-subprotocol" ? "another" : offered.has("chat") && "chat",
  verifyClient: ({ req }, decide) => decide(req.url !== "/refuse", 403, "not you\n"),
});

server.on("connection", (ws, request) => {
  const path = request.url;
  const { "x-color": color, origin } = request.headers;
  const record = { pongs: 0, subprotocol: ws.protocol || null, color, origin };
  let last = Promise.resolve();
  ws.on("message", (data, binary) => {
    last = last.then(() => answer(ws, path, data, binary, record));
  });
  ws.on("error", () => {}); // `close` comes after it
  ws.on("close", (code, reason) => {
    if (path === "/wrong-subprotocol") return; // the client refused the handshake
    console.log(JSON.stringify({ ...record, code, reason: reason.toString() }));
  });
  if (path === "/greeting") ws.send("welcome");
  if (path === "/bye") ws.close(1001);
});

listener.listen(0, "127.0.0.1", () =>
  console.log(`listening ${cert ? "wss" : "ws"}://127.0.0.1:${listener.address().port}`),
);
