/**
 * An agent program that does what it is asked for in messages, `work:<agent>:<mark>:<ms>:<how>`, and answers with the
 * marks of what is done: `done <mark> …`. With `tool` as `how` the work is a shell's, which starts a tool in a session
 * of its own that lasts longer than the work. It remembers conversations in the folder of its first argument.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { sleep } from '#base/time.ts';
import { SILENCE } from '#runtime/prompt.ts';
import { message, runScriptedAgent } from '#runtime/scripted-agent.ts';

const own = (process.env['AA_AGENT'] ?? '').split('.')[0];

await runScriptedAgent(process.stdin, process.stdout, process.argv[2] ?? '/tmp', async (turn) => {
  // Earlier messages stand before it.
  const asked = turn.prompt.split(/^(?:Unread messages|It was about this):$/m).at(-1) ?? '';
  const done: string[] = [];
  for (const [, agent, mark = '', ms = '0', how] of asked.matchAll(/work:(\w+):(\w+):(\d+):(\w+)/g)) {
    if (agent !== own) continue;
    const toolCallId = randomUUID();
    await turn.say({ sessionUpdate: 'tool_call', toolCallId, title: mark, kind: 'execute', status: 'in_progress' });
    if (how === 'tool') await shell(`setsid sleep ${Number(ms) / 1000 + 2} & sleep ${Number(ms) / 1000}`, turn);
    else await sleep(Number(ms), turn.signal);
    await turn.say({ sessionUpdate: 'tool_call_update', toolCallId, status: 'completed' });
    done.push(mark);
  }
  await message(turn, done.length === 0 ? SILENCE : `done ${done.join(' ')}`);
});

/** A tool that fails, or is killed, is no reason not to answer. */
async function shell(command: string, { cwd, signal }: { readonly cwd: string; readonly signal: AbortSignal }) {
  await promisify(execFile)('/bin/sh', ['-c', command], { cwd, signal }).catch(() => {});
  signal.throwIfAborted();
}
