/** Pieces that commands of several groups are declared with. */
import { InvalidArgumentError, Option } from 'commander';
import type { CommandContext } from '#cli/context.ts';
import { PROJECT_STATUSES } from '#contract/choices.ts';

/** Makes the action of a command. */
export type Act = <Args extends readonly unknown[]>(
  handler: (context: CommandContext, ...args: Args) => Promise<void>,
  how?: { readonly reads?: boolean },
) => (...args: [...Args, ...unknown[]]) => Promise<void>;

/** Help text with one example. */
export const example = (...lines: readonly string[]): string =>
  `\nExample:\n${lines.map((line) => `  ${line}`).join('\n')}`;

/** For an option that may be given more than once. */
export const collect = (value: string, earlier: readonly string[] = []): readonly string[] => [...earlier, value];

/** A whole number from `least` to `most`. */
export const whole =
  (least: number, most: number = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    const end = most === Number.MAX_SAFE_INTEGER ? 'on' : `to ${most}`;
    throw new InvalidArgumentError(`It takes a whole number from ${least} ${end}.`);
  };

/** How many to show. */
export const upTo = (most: number) => whole(1, most);

/** The first ones of a list, which were seen already. */
export const OFFSET = ['--offset <count>', 'leave out this many, the first ones', whole(0), 0] as const;

/** Fresh for each command that has it. */
export const projectStatus = () =>
  new Option('--status <status>', 'only in this state').choices([...PROJECT_STATUSES, 'all']).default('active');

export const TEAM = ['-t, --team <team>', 'team of the project, where the name is not enough'] as const;
export const IN_TEAM = ['-t, --team <team>', 'only in this team'] as const;
/** What a person types for an agent of theirs. */
export const AGENT = 'its name: ada, or in full ada.<your login>';
