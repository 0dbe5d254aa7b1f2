/** The connection between a program and the server, on loopback, where it can be cut and slowed. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Line extends AsyncDisposable {
  readonly url: string;
  /** Ends every connection at once, whatever is on its way, and refuses new ones. */
  cut(): void;
  /** Everything in both directions comes later. */
  slow(delayMs: number): void;
  mend(): void;
}

/** @param port of the server, on loopback */
export async function openLine(port: number): Promise<Line> {
  const sockets = new Set<Socket>();
  let isCut = false;
  let delayMs = 0;

  async function* late(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const bytes of source) {
      if (delayMs > 0) await sleep(delayMs);
      yield bytes;
    }
  }

  const proxy = createServer({ allowHalfOpen: true }, (near) => {
    if (isCut) {
      near.destroy();
      return;
    }
    const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.once('close', () => sockets.delete(socket));
    }
    const carry = async (from: Socket, to: Socket) => {
      try {
        await pipeline(from, late, to);
      } catch {
        // An end is an end, for both.
        near.destroy();
        far.destroy();
      }
    };
    void carry(near, far);
    void carry(far, near);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');

  const cut = () => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    cut,
    slow(ms) {
      delayMs = ms;
    },
    mend() {
      isCut = false;
      delayMs = 0;
    },
    async [Symbol.asyncDispose]() {
      cut();
      proxy.close();
      await once(proxy, 'close');
    },
  };
}
