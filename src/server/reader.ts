/** Who reads over an event socket, and what they may read. Facts are kept until something about the reader changes. */

import { isAachatError } from '#base/errors.ts';
import { type RelayedFrame, type StreamEvent, TITLE_LIMIT } from '#contract/frames.ts';
import type { ProjectId, StreamId } from '#contract/ids.ts';
import { actorFor } from './actor.ts';
import { type Actor, authorize, type Resource } from './authorize.ts';
import type { Store, View } from './database/store.ts';
import { projectFacts, sessionFacts } from './facts.ts';
import { permissionRow } from './permission-view.ts';
import { hidden } from './request.ts';
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
  /** Whether other sockets of this person may be told. */
  mayRelay(frame: RelayedFrame): Promise<boolean>;
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
    mayRelay: (frame) =>
      store.read(async (view) => {
        try {
          const actor = await actorFor(view, credential);
          return authorize(actor, 'relayTitle', await relayedResource(view, actor, frame)) === 'allow';
        } catch (thrown) {
          if (isAachatError(thrown, 'UNAUTHORIZED', 'STALE_RUN', 'NOT_FOUND')) return false;
          throw thrown;
        }
      }),
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

/** @throws AachatError `NOT_FOUND` unless the title is that of a request that waits */
async function relayedResource(view: View, actor: Actor, frame: RelayedFrame): Promise<Resource> {
  if (frame.type === 'permission_titles_wanted') return { kind: 'own' };
  const row = (frame.title?.length ?? 0) > TITLE_LIMIT ? undefined : await permissionRow(view, frame.permissionId);
  if (row?.state !== 'open' || row.expires_at <= view.now) throw hidden('request');
  return (await sessionFacts(view, actor, row.session_id)).resource;
}

function concerns(self: Actor & { kind: 'user' | 'session' }, event: StreamEvent): boolean {
  if (event.type === 'member.added' || event.type === 'member.removed') return event.data.party.id === self.id;
  return self.kind === 'session' && event.type === 'session.updated' && event.data.session.id === self.sessionId;
}
