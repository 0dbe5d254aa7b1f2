/** A proxy on loopback that keeps all that passes between a server and its clients. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Tap extends AsyncDisposable {
  /** Stands in for the server's. */
  readonly url: string;
  /** What passed so far, requests and answers, headers, bodies and frames of sockets. */
  traffic(): string;
}

export async function tap(serverUrl: string): Promise<Tap> {
  const { hostname, port } = new URL(serverUrl);
  const sockets = new Set<Socket>();
  const passed: Buffer[][] = [];
  const forward = (from: Socket, to: Socket) => {
    const chunks: Buffer[] = [];
    passed.push(chunks);
    sockets.add(from);
    from.on('data', (chunk: Buffer) => chunks.push(chunk));
    from.pipe(to);
    from.on('error', () => to.destroy());
    from.once('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    forward(client, upstream);
    forward(upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    traffic: () => passed.map((chunks) => readable(Buffer.concat(chunks))).join('\n'),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** One direction of a connection as text. The WebSocket frames of a client are masked: RFC 6455, section 5.3. */
function readable(stream: Buffer): string {
  const start = stream.indexOf('\r\n\r\n') + 4;
  const head = stream.toString('latin1', 0, start);
  if (!(head.startsWith('GET ') && /\r\nupgrade: websocket\r\n/i.test(head))) return stream.toString('latin1');
  const payloads: string[] = [];
  for (let at = start; at + 6 <= stream.length; ) {
    const short = stream.readUInt8(at + 1) & 0x7f;
    const mask = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
    const size = short < 126 ? short : short === 126 ? stream.readUInt16BE(at + 2) : stream.readUInt32BE(at + 6);
    const payload = stream.subarray(mask + 4, mask + 4 + size);
    payloads.push(Buffer.from(payload.map((byte, n) => byte ^ (stream[mask + (n % 4)] ?? 0))).toString('latin1'));
    at = mask + 4 + size;
  }
  return [head, ...payloads].join('\n');
}
