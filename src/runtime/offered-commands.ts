/** Which commands of its own the agent program of a session takes, as it said itself. */
import { z } from 'zod';
import { scanLog, wholeLine } from './event-log.ts';
import type { LogLine } from './log-events.ts';

export interface OfferedCommands {
  readonly program: string;
  /** Without the slash. */
  readonly commands: readonly string[];
}

const Offer = z.object({
  sessionUpdate: z.literal('available_commands_update'),
  availableCommands: z.array(z.object({ name: z.string() })),
});

/** @returns undefined if no program was opened by the log; the last word counts, of the last run */
export async function offeredCommands(log: string): Promise<OfferedCommands | undefined> {
  let program: string | undefined;
  let offer: LogLine | undefined;
  for await (const batch of scanLog(log)) {
    for (const { line } of batch) {
      if (line.type === 'run.started') offer = undefined;
      else if (line.type === 'agent.opened') program = line.program;
      else if (line.type === 'update' && isOffer(line.update)) offer = line;
    }
  }
  if (program === undefined) return undefined;
  const whole = offer === undefined ? undefined : await wholeLine(log, offer);
  const { data } = Offer.safeParse(whole?.type === 'update' ? whole.update : undefined);
  return { program, commands: data?.availableCommands.map(({ name }) => name) ?? [] };
}

const isOffer = (update: unknown): boolean =>
  (update as { readonly sessionUpdate?: unknown } | null)?.sessionUpdate === 'available_commands_update';
