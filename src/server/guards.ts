/** What is refused before a request is read: strange hosts, foreign pages, other protocols. Pure. */
import { AachatError } from '#base/errors.ts';
import { OLDEST_PROTOCOL, PROTOCOL_VERSION } from '#contract/version.ts';

const LOOPBACK_NAMES = new Set(['localhost', '127.0.0.1', '[::1]']);

/** Whether only programs of this machine can reach a listener on `host`. */
export const isLoopback = (host: string): boolean => LOOPBACK_NAMES.has(host) || host === '::1';

/**
 * Checks Host and Origin. On loopback the host must be a loopback name: a page of a hostile site whose name was pointed
 * at 127.0.0.1 (DNS rebinding) still says that name. A page may call only the server that it came from.
 *
 * @returns what is wrong, or undefined
 */
export function strangeCaller(
  headers: { readonly host: string | undefined; readonly origin: string | undefined },
  loopback: boolean,
): AachatError | undefined {
  const host = hostOf(`http://${headers.host ?? ''}`);
  if (host === undefined || (loopback && !LOOPBACK_NAMES.has(host.hostname))) {
    return new AachatError('FORBIDDEN', 'This server answers to its own address only.', {
      hint: 'Use the address that `aachat server status` shows.',
    });
  }
  if (headers.origin === undefined || hostOf(headers.origin)?.host === host.host) return undefined;
  return new AachatError('FORBIDDEN', 'Pages of other sites may not talk to this server.', {
    hint: 'Open the page that this server shows itself.',
  });
}

const hostOf = (url: string): URL | undefined => (URL.canParse(url) ? new URL(url) : undefined);

/** @param spoken version of the peer; it need not say one */
export function protocolMismatch(spoken: string | number | undefined): AachatError | undefined {
  if (spoken === undefined) return undefined;
  const version = Number(spoken);
  if (version >= OLDEST_PROTOCOL && version <= PROTOCOL_VERSION) return undefined;
  const older = version < OLDEST_PROTOCOL;
  return new AachatError(
    'PROTOCOL_MISMATCH',
    `The server speaks protocol ${OLDEST_PROTOCOL} to ${PROTOCOL_VERSION}, the caller ${spoken}.`,
    {
      hint: older
        ? 'Upgrade this aachat to the version of the server.'
        : 'Upgrade aachat where the server runs, then restart the server.',
    },
  );
}
