/** The hidden verb that runs the built-in agent: ACP on stdin and stdout. */
import { tmpdir } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import type { CommandContext } from '#cli/context.ts';
import { runScriptedAgent } from '#runtime/scripted-agent.ts';

export async function scriptedAgent({ stdin, stdout, env }: CommandContext): Promise<void> {
  await runScriptedAgent(stdin as Readable, stdout as Writable, env['TMPDIR'] ?? tmpdir());
}
