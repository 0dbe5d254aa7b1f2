/** The token that a session acts by: kept fresh for us, and in a file for the agent's commands. */
import { writePrivate } from '#base/fs.ts';
import type { Log } from '#base/log.ts';
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
const RETRY_MS = 30_000;

/** Keeps a token of the session in a file that the agent's commands read, renewed before it expires. */
export async function openSessionToken(
  { http, log, secrets }: { readonly http: HttpClient; readonly log: Log; readonly secrets: Set<string> },
  run: Pick<Run, 'id'>,
  path: string,
  signal: AbortSignal,
): Promise<SessionToken> {
  let value = '';
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const mint = async (): Promise<void> => {
    const minted = await http.call(ROUTES.mintSessionToken, { params: { runId: run.id } }, signal);
    if (stopped) return;
    secrets.delete(value);
    value = minted.token;
    secrets.add(value);
    await writePrivate(path, `${value}\n`);
    schedule(Date.parse(minted.expiresAt) - Date.now() - MARGIN_MS);
  };
  const schedule = (delayMs: number) => {
    clearTimeout(timer);
    if (stopped) return;
    timer = setTimeout(
      () => {
        mint().catch((thrown: unknown) => {
          log.warn('session.token_not_renewed', { error: thrown });
          schedule(RETRY_MS);
        });
      },
      Math.max(1_000, delayMs),
    );
    timer.unref();
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
      clearTimeout(timer);
    },
  };
}
