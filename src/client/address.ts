import { AachatError } from '#base/errors.ts';

/** @throws AachatError `USAGE` for anything but the address of a web server */
export function serverAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.username === '') return new URL(url.origin);
  throw new AachatError('USAGE', `"${text}" is no address of a server.`, {
    hint: 'It looks like https://chat.example.org, in --server, AACHAT_SERVER or `aachat config set server`.',
  });
}
