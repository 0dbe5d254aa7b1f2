/** Settings that a running `up` keeps to as they are at each moment. */
import { AachatError } from '#base/errors.ts';
import { defaultMaxSessions, type PlaceLimits } from '#runtime/places.ts';
import type { Config } from './config.ts';
import { formProblem, type SettingName } from './settings.ts';

const DEFAULT_HIBERNATE_MINUTES = 30;

/**
 * How many agent processes there may be, and for how long without anything to do.
 *
 * @throws AachatError `VALIDATION_ERROR` when a value is none; one that is set later counts as unset then
 */
export function placeLimits(config: Config): () => PlaceLimits {
  const text = (key: SettingName): { readonly value: string; readonly problem: string | undefined } | undefined => {
    const value = config.get(key)?.value;
    return value === undefined ? undefined : { value, problem: formProblem(key, value) };
  };
  for (const key of ['maxSessions', 'hibernateMinutes'] as const) {
    const problem = text(key)?.problem;
    if (problem === undefined) continue;
    throw new AachatError('VALIDATION_ERROR', problem, { hint: `Run \`aachat config unset ${key}\`, or set another.` });
  }
  const number = (key: SettingName): number | undefined => {
    const found = text(key);
    return found === undefined || found.problem !== undefined ? undefined : Number(found.value);
  };
  return () => ({
    maxSessions: number('maxSessions') ?? defaultMaxSessions(),
    hibernateMs: (number('hibernateMinutes') ?? DEFAULT_HIBERNATE_MINUTES) * 60_000,
  });
}
