/** `aachat schema`: what commands print with `--json`, as JSON Schema. */
import { z } from 'zod';
import { AachatError } from '#base/errors.ts';
import type { CommandContext } from '#cli/context.ts';
import { ErrorOutput, OUTPUTS } from '#cli/schemas.ts';

/** `aachat schema [command…]`; without one, of all of them */
export async function schema({ output }: CommandContext, args: { readonly command: readonly string[] }): Promise<void> {
  const wanted = args.command.join(' ');
  const found = Object.entries(OUTPUTS).filter(
    ([path]) => wanted === '' || path === wanted || path.startsWith(`${wanted} `),
  );
  if (found.length === 0) {
    throw new AachatError('NOT_FOUND', `There is no command \`aachat ${wanted}\`.`, {
      hint: 'Run `aachat --help` to see the commands.',
    });
  }
  const commands = found.map(([command, { data, line }]) => ({
    command,
    ...(data === undefined ? {} : { data: describe(data) }),
    ...(line === undefined ? {} : { line: describe(line) }),
  }));
  const result = { commands, error: describe(ErrorOutput) };
  output.result(result, JSON.stringify(result, undefined, 2));
}

/** As a reader should take it: a newer program may print more. */
const describe = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input' });
