import { describe, expect, test } from 'vitest';
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { createHttpClient } from '#client/http.ts';
import type { ProjectId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { PROTOCOL_VERSION } from '#contract/version.ts';

const PROJECT = '019a1b2c-3d4e-7f60-8a9b-0c1d2e3f4a5b' as ProjectId;
const INFO = { product: 'aachat', version: '0.0.0', protocol: 1, fresh: true } as const;
const refused = () => Promise.reject(new TypeError('fetch failed'));

/** A server that is a function; every request that it saw. */
function client(answer: (request: Request, count: number) => Response | Promise<Response>, timeoutMs?: number) {
  const requests: Request[] = [];
  const asked: (string | undefined)[] = [];
  const http = createHttpClient({
    baseUrl: new URL('http://server.invalid'),
    token: async (how) => {
      asked.push(how);
      return how === 'renew' ? 'newer' : 'first';
    },
    fetch: async (url, init) => {
      const request = new Request(url as URL, init);
      requests.push(request);
      return await answer(request, requests.length);
    },
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  return { http, requests, asked };
}

const errorBody = (status: number, code: string) =>
  Response.json({ error: { code, message: 'No.', hint: 'Do this.' } }, { status });

describe('a call', () => {
  test('fills path, query and body, and says who asks in which protocol', async () => {
    const { http, requests } = client(() => Response.json({ messages: [], hasMore: false, readSeq: 3 }));
    const reply = await http.call(ROUTES.listMessages, { params: { projectId: PROJECT }, query: { limit: 5 } });
    expect(reply).toEqual({ messages: [], hasMore: false, readSeq: 3 });
    const [request] = requests;
    expect(request?.url).toBe(`http://server.invalid/v1/projects/${PROJECT}/messages?limit=5`);
    expect(request?.headers.get('authorization')).toBe('Bearer first');
    expect(request?.headers.get('aachat-protocol')).toBe(String(PROTOCOL_VERSION));
  });

  test('throws what the server answered, with its hint', async () => {
    const { http } = client(() => errorBody(404, 'NOT_FOUND'));
    await expect(http.call(ROUTES.getInfo, {})).rejects.toMatchObject({ code: 'NOT_FOUND', hint: 'Do this.' });
  });

  test('an error code of a newer server is INTERNAL, not a crash', async () => {
    const { http } = client(() => errorBody(418, 'TEAPOT'));
    await expect(http.call(ROUTES.getInfo, {})).rejects.toMatchObject({ code: 'INTERNAL', message: 'No.' });
  });

  test('an answer of unknown shape says that one side is older', async () => {
    const { http } = client(() => Response.json({ product: 'other' }));
    await expect(http.call(ROUTES.getInfo, {})).rejects.toMatchObject({ code: 'PROTOCOL_MISMATCH', exitStatus: 7 });
  });

  test('a page that is not from an aachat server is named as such', async () => {
    const { http } = client(() => new Response('<html>', { status: 502 }));
    await expect(http.call(ROUTES.getInfo, {})).rejects.toThrow(/not an aachat server/);
  });

  test('an unanswered call ends with TIMEOUT and is not sent again', async () => {
    const { http, requests } = client(
      (request) =>
        new Promise((_, reject) => {
          request.signal.addEventListener('abort', () => reject(request.signal.reason as Error));
        }),
      20,
    );
    await expect(http.call(ROUTES.getInfo, {})).rejects.toMatchObject({ code: 'TIMEOUT', exitStatus: 6 });
    expect(requests).toHaveLength(1);
  });

  test('an interrupted call is CANCELLED with the reason of the signal', async () => {
    const abort = new AbortController();
    const { http } = client(
      (request) =>
        new Promise((_, reject) => {
          request.signal.addEventListener('abort', () => reject(request.signal.reason as Error));
          abort.abort(new AachatError('CANCELLED', 'Interrupted.'));
        }),
    );
    await expect(http.call(ROUTES.getInfo, {}, abort.signal)).rejects.toMatchObject({ message: 'Interrupted.' });
  });
});

describe('a broken connection', () => {
  test('a read is tried again', async () => {
    const { http, requests } = client((_, count) => (count < 3 ? refused() : Response.json(INFO)));
    expect(await http.call(ROUTES.getInfo, {})).toEqual(INFO);
    expect(requests).toHaveLength(3);
  });

  test('a command is repeated with the same client id', async () => {
    const { http, requests } = client((_, count) => (count === 1 ? refused() : errorBody(409, 'CONFLICT')));
    const body = { clientId: newId(), body: 'hello' };
    const call = http.call(ROUTES.sendMessage, { params: { projectId: PROJECT }, body });
    await expect(call).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await Promise.all(requests.map((request) => request.json()))).toEqual([body, body]);
  });

  test('what cannot be recognised as a repeat is sent once', async () => {
    const { http, requests } = client(refused);
    await expect(http.call(ROUTES.login, { body: { code: 'code-1234' } })).rejects.toMatchObject({
      code: 'SERVER_UNREACHABLE',
      exitStatus: 6,
      hint: expect.stringContaining('aachat server status'),
    });
    expect(requests).toHaveLength(1);
  });

  test('after the last try the server is unreachable', async () => {
    const { http, requests } = client(refused);
    await expect(http.call(ROUTES.getInfo, {})).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    expect(requests).toHaveLength(4);
  });
});

describe('a token that the server refuses', () => {
  test('is renewed once, and the call repeated', async () => {
    const { http, requests, asked } = client((request) =>
      request.headers.get('authorization') === 'Bearer newer' ? Response.json(INFO) : errorBody(401, 'UNAUTHORIZED'),
    );
    expect(await http.call(ROUTES.getInfo, {})).toEqual(INFO);
    expect(asked).toEqual([undefined, 'renew']);
    expect(requests).toHaveLength(2);
  });

  test('is renewed later if that did not work at once', async () => {
    const asked: (string | undefined)[] = [];
    const http = createHttpClient({
      baseUrl: new URL('http://server.invalid'),
      token: async (how) => {
        asked.push(how);
        if (asked.length === 2) throw new AachatError('SERVER_UNREACHABLE', 'Not now.');
        return how === 'renew' ? 'newer' : 'first';
      },
      fetch: async (url, init) => {
        const isNewer = new Request(url as URL, init).headers.get('authorization') === 'Bearer newer';
        return isNewer ? Response.json(INFO) : errorBody(401, 'UNAUTHORIZED');
      },
    });
    expect(await http.call(ROUTES.getInfo, {})).toEqual(INFO);
    expect(asked).toEqual([undefined, 'renew', 'renew']);
  });

  test('is an error when the renewed one is refused as well', async () => {
    const { http, requests } = client(() => errorBody(401, 'UNAUTHORIZED'));
    await expect(http.call(ROUTES.getInfo, {})).rejects.toMatchObject({ code: 'UNAUTHORIZED', exitStatus: 3 });
    expect(requests).toHaveLength(2);
  });
});
