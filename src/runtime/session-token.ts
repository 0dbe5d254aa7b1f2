/** The token that a session acts by: kept fresh for us, and in a file for the agent's commands. */
import { writePrivate } from '#base/fs.ts';
import type { Log } from '#base/log.ts';
import { createTimers } from '#base/time.ts';
import type { HttpClient } from '#client/http.ts';
import type { Run } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';

export interface SessionToken {
  /** @param how `renew`: the one before was refused */
  readonly value: (how?: 'renew') => Promise<string>;
  readonly stop: () => void;
}

/** Rewritten while this much of the token's life is left. */
const MARGIN_MS = 5 * 60_000;
/** However short a token lives. */
const LEAST_MS = 1_000;
const RETRY_MS = 30_000;

/** Keeps a token of the session in a file that the agent's commands read, renewed before it expires. */
export async function openSessionToken(
  { http, log, secrets }: { readonly http: HttpClient; readonly log: Log; readonly secrets: Set<string> },
  run: Pick<Run, 'id'>,
  path: string,
  signal: AbortSignal,
): Promise<SessionToken> {
  let value = '';
  const timers = createTimers();
  let stopped = false;
  const mint = async (): Promise<void> => {
    const minted = await http.call(ROUTES.mintSessionToken, { params: { runId: run.id } }, signal);
    if (stopped) return;
    secrets.delete(value);
    value = minted.token;
    secrets.add(value);
    await writePrivate(path, `${value}\n`);
    schedule(Math.max(Date.now() + LEAST_MS, Date.parse(minted.expiresAt) - MARGIN_MS));
  };
  const schedule = (at: number) => {
    timers[Symbol.dispose]();
    if (stopped) return;
    timers.at(at, () => {
      mint().catch((thrown: unknown) => {
        log.warn('session.token_not_renewed', { error: thrown });
        schedule(Date.now() + RETRY_MS);
      });
    });
  };
  await mint();
  return {
    async value(how) {
      // The timer stays: if this fails, the agent's commands still get a new one.
      if (how === 'renew') await mint();
      return value;
    },
    stop() {
      stopped = true;
      timers[Symbol.dispose]();
    },
  };
}
