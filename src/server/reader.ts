/** Who reads over an event socket, and what they may read. Facts are kept until something about the reader changes. */

import { isAachatError } from '#base/errors.ts';
import type { StreamEvent } from '#contract/frames.ts';
import type { ProjectId, StreamId } from '#contract/ids.ts';
import { actorFor } from './actor.ts';
import { type Actor, authorize, type Resource } from './authorize.ts';
import type { Store, View } from './database/store.ts';
import { projectFacts } from './facts.ts';
import type { SubscriptionOptions } from './subscription.ts';
import { type Credential, type Tokens, unauthorized } from './tokens.ts';

export type Access = Pick<SubscriptionOptions, 'allowed' | 'reload' | 'concerns'>;

export interface Reader {
  /** The same for the same person, or the same run of a session. */
  readonly key: string;
  /** In milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Of the newest token. */
  readonly credential: Credential;
  /** Where a change of what this reader may see is announced. */
  readonly ownStream: StreamId;
  access(stream: StreamId): Access;
  /** Goes on with the token of `newer`. */
  renew(newer: Reader): void;
}

/** @throws AachatError if the token is not that of a person or of a running session */
export async function createReader(store: Store, tokens: Tokens, token: string): Promise<Reader> {
  let credential = await tokens.verify(token);
  if (credential.kind !== 'user' && credential.kind !== 'session') throw unauthorized('Only members read events.');
  const { expiresAt } = credential;
  const first = await store.read((view) => actorFor(view, credential));
  if (first.kind !== 'user' && first.kind !== 'session') throw unauthorized('Only members read events.');
  const self = first;

  return {
    key: credential.kind === 'user' ? credential.userId : credential.runId,
    expiresAt,
    get credential() {
      return credential;
    },
    ownStream: self.id as StreamId,
    renew(newer) {
      credential = newer.credential;
    },
    access(stream) {
      let known: { readonly actor: Actor; readonly resource: Resource } | undefined;
      const allowed = () => known !== undefined && authorize(known.actor, 'subscribe', known.resource) === 'allow';
      return {
        allowed,
        async reload() {
          known = await store.read(async (view) => {
            try {
              const actor = await actorFor(view, credential);
              return { actor, resource: await resourceOf(view, actor, stream) };
            } catch (thrown) {
              if (isAachatError(thrown, 'UNAUTHORIZED', 'STALE_RUN', 'NOT_FOUND')) return undefined;
              throw thrown;
            }
          });
          return allowed();
        },
        concerns: (event) => concerns(self, event),
      };
    },
  };
}

async function resourceOf(view: View, actor: Actor, stream: StreamId): Promise<Resource> {
  if (actor.kind === 'user' && stream === (actor.id as StreamId)) return { kind: 'stream-of-user', own: true };
  return (await projectFacts(view, actor, stream as unknown as ProjectId)).resource;
}

function concerns(self: Actor & { kind: 'user' | 'session' }, event: StreamEvent): boolean {
  if (event.type === 'member.added' || event.type === 'member.removed') return event.data.party.id === self.id;
  return self.kind === 'session' && event.type === 'session.updated' && event.data.session.id === self.sessionId;
}
