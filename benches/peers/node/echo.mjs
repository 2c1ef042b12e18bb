// npm's `ws`, as the interop suite has installed it.
import { createRequire } from 'node:module';
import { createServer } from 'node:http';

const require = createRequire(new URL('../../../tests/interop/package.json', import.meta.url));
const { WebSocketServer } = require('ws');

const port = Number(process.argv[process.argv.indexOf('--port') + 1]);
const compress = process.argv.includes('--deflate');
const perMessageDeflate = compress && { threshold: 0 };

const http = createServer();
const server = new WebSocketServer({ server: http, maxPayload: 64 << 20, perMessageDeflate });
server.on('connection', (ws) => {
    ws.on('message', (message, binary) => ws.send(message, { binary, compress }));
    // How a connection ends is for the generator to judge.
    ws.on('error', () => {});
});
http.listen({ port, host: '127.0.0.1', backlog: 4096 });
