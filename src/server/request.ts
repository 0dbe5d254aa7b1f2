/** What a handler is, and what it gets: its parsed input, who asks, and the one question that it must ask. */
import type { z } from 'zod';
import { AachatError } from '#base/errors.ts';
import type { Route, RouteCall } from '#contract/route.ts';
import type { Actor, Resource } from './authorize.ts';
import type { Tx, View } from './database/store.ts';

export interface Call<R extends Route> extends RouteCall<R> {
  readonly actor: Actor;
  /**
   * Asks whether the actor may do this to `resource`. A handler that answers without having asked fails.
   *
   * @throws AachatError `UNAUTHORIZED`, `FORBIDDEN`, or `NOT_FOUND` for what the actor may not know of
   */
  readonly ask: (resource: Resource) => void;
}

export type Reading<R extends Route> = (view: View, call: Call<R>) => Promise<z.input<R['reply']>>;
/** An error that is thrown undoes everything; one that is returned is the answer after what was done is committed. */
export type Writing<R extends Route> = (tx: Tx, call: Call<R>) => Promise<z.input<R['reply']> | AachatError>;

/** One entry of the table. Writing happens in one transaction together with the record of the command. */
export type Handler<R extends Route> =
  | { readonly kind: 'read'; readonly run: Reading<R> }
  | { readonly kind: 'write'; readonly run: Writing<R> };

/** The same words for what is not there and for what may not be seen. */
export const hidden = (noun: string): AachatError =>
  new AachatError('NOT_FOUND', `There is no such ${noun}, or it is not for you.`, {
    hint: HINTS[noun],
  });

const HINTS: Readonly<Record<string, string>> = {
  project: 'Run `aachat project list` to see yours.',
  team: 'Run `aachat project list` to see teams and projects.',
  agent: 'Run `aachat agent list` to see yours.',
  session: 'Run `aachat session list` to see them.',
  request: 'Run `aachat permission list` to see what waits.',
};

/** The person who calls. Only for actions that `authorize` leaves to persons. */
export function person(actor: Actor): Actor & { kind: 'user' } {
  if (actor.kind === 'user') return actor;
  throw new AachatError('FORBIDDEN', 'Only a person may do that.');
}

/** The person or agent who calls. */
export function party(actor: Actor): Actor & { kind: 'user' | 'session' } {
  if (actor.kind === 'user' || actor.kind === 'session') return actor;
  throw new AachatError('UNAUTHORIZED', 'Say who you are.', { hint: 'Run `aachat auth login`.' });
}
