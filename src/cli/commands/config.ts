/** `aachat config …`: settings of this home. */

import { AachatError } from '#base/errors.ts';
import type { CommandContext } from '#cli/context.ts';
import { table } from '#cli/output.ts';
import { formProblem, isSettingName, SETTINGS, type SettingName } from '#cli/settings.ts';
import { serverAddress } from '#client/address.ts';

/** `aachat config list` */
export async function list(context: CommandContext): Promise<void> {
  const named = Object.entries(SETTINGS).map(([key, { what }]) => ({ key, what }));
  const others = context.config.keys().flatMap((key) => (isSettingName(key) ? [] : [{ key, what: '' }]));
  const settings = [...named, ...others].map(({ key, what }) => {
    const found = context.config.get(key);
    return { key, value: found?.value ?? null, origin: found?.origin ?? 'default', what };
  });
  const rows = settings.map(({ key, value, origin, what }) => [key, value ?? '-', origin, what]);
  context.output.result({ settings }, table(rows));
}

/** `aachat config set <key> <value>`, `aachat config unset <key>` */
export async function set(
  context: CommandContext,
  args: { readonly key: SettingName; readonly value: string | undefined },
): Promise<void> {
  const { key, value } = args;
  if (value?.trim() === '') {
    throw new AachatError('USAGE', 'That is no value: it is empty.', {
      hint: `To forget a value: aachat config unset ${key}`,
    });
  }
  const problem = value === undefined ? undefined : formProblem(key, value);
  if (problem !== undefined) throw new AachatError('USAGE', problem);
  if (key === 'server' && value !== undefined) serverAddress(value);
  await context.config.set(key, value);
  context.output.result(
    { key, value: value ?? null },
    value === undefined ? `${key} is unset.` : `${key} is ${value}.`,
  );
}
