/** `aachat doctor`: looks for what is missing or left over. Starts nothing. */
import { AachatError } from '#base/errors.ts';
import { offerClaude } from '#cli/claude-offer.ts';
import type { CommandContext } from '#cli/context.ts';
import { plain } from '#cli/output.ts';
import { lacksClaude } from '#runtime/agent-program.ts';
import { type DoctorOptions, examine, FIX, type Finding, mend } from '#runtime/doctor.ts';

/**
 * `aachat doctor [--fix] [--yes]`; with `--fix` Claude Code is offered where it is missing.
 *
 * @throws AachatError `CONFLICT` if something is wrong, after saying what
 */
export async function doctor(
  context: CommandContext,
  args: { readonly fix: boolean; readonly yes: boolean },
): Promise<void> {
  const { home, config, env, engine, output } = context;
  const options: DoctorOptions = {
    home,
    server: config.get('server')?.value,
    path: env['PATH'] ?? '',
    programSetting: config.get('agent')?.value,
    engine,
  };
  const mended = args.fix ? [...(await mend(options))] : [];
  if (args.fix && (await lacksClaude(options)) && (await offerClaude(context, args))) {
    mended.push('Installed Claude Code.');
  }
  const findings = await examine(options);
  output.result({ findings, mended }, [...mended, ...findings.map((finding) => line(context, finding))].join('\n'));
  const wrong = findings.filter(({ state }) => state === 'wrong');
  if (wrong.length === 0) return;
  const isMendable = wrong.some(({ hint }) => hint === FIX);
  throw new AachatError('CONFLICT', `${wrong.length} of ${findings.length} checks found something wrong.`, {
    hint: isMendable ? `Run \`${FIX}\`, then see what is left.` : 'Do what stands under each of them, then look again.',
  });
}

function line({ output }: CommandContext, { name, state, message, hint }: Finding): string {
  const { green, yellow, red, dim } = output.paint;
  const mark = { ok: green('ok   '), note: yellow('note '), wrong: red('wrong') }[state];
  return `${mark}  ${name.padEnd(14)} ${plain(message)}${hint === undefined ? '' : `\n${' '.repeat(22)}${dim(plain(hint))}`}`;
}
