/**
 * The built-in agent with hands, for tests: a script in the prompt says what it does, `SCRIPT:[step, …]` on one line,
 * each step one of
 *
 *   {"text": "…"}                         a message; the last one is the answer
 *   {"thought": "…"}                      a thought
 *   {"edit": "path", "content": "…"}      writes a file, after asking if `"ask": true`
 *   {"bash": "command"}                   runs it in the workspace and says what it printed
 *   {"ask": "title"}                      asks for permission and says how that went
 *   {"cost": dollars, "used": tokens}      tells what the conversation has cost, and the length of its context
 *   {"offer": ["name"]}                   says that it takes these commands of its own
 *   {"wait": ms} {"hang": true} {"exit": status} {"error": code, "kind": "rate_limit"}
 *   {"limit": "file"}                     refused as long as there is such a file, which says until when, in epoch milliseconds
 *   {"login": "file"}                     no login as long as there is no such file
 *
 * Without a script it answers as the built-in one.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import * as acp from '@agentclientprotocol/sdk';
import { z } from 'zod';
import { readIfExists } from '#base/fs.ts';
import { sleep } from '#base/time.ts';
import { message, replyTo, runScriptedAgent, type Turn } from '#runtime/scripted-agent.ts';

const Step = z.object({
  text: z.string().optional(),
  thought: z.string().optional(),
  edit: z.string().optional(),
  content: z.string().default(''),
  bash: z.string().optional(),
  offer: z.array(z.string()).optional(),
  ask: z.union([z.string(), z.boolean()]).optional(),
  wait: z.number().optional(),
  cost: z.number().optional(),
  used: z.number().default(0),
  hang: z.boolean().optional(),
  exit: z.number().optional(),
  error: z.number().optional(),
  kind: z.string().optional(),
  limit: z.string().optional(),
  login: z.string().optional(),
});
type Step = z.infer<typeof Step>;

const temp = process.env['TMPDIR'] ?? '/tmp';

await runScriptedAgent(process.stdin, process.stdout, temp, async (turn) => {
  for (const step of scriptOf(turn.prompt)) await play(step, turn);
});

async function play(step: Step, turn: Turn): Promise<void> {
  const { cwd, signal, say, ask } = turn;
  signal.throwIfAborted();
  const allowed = async (title: string, kind: acp.ToolKind, path?: string): Promise<boolean> => {
    const { outcome } = await ask(title, kind, path);
    // Answers are dealt with before notifications that came with them: a cancel may be right behind.
    await new Promise((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    return outcome.outcome === 'selected' && outcome.optionId === 'yes';
  };
  const tool = async (title: string, kind: acp.ToolKind, run: () => Promise<string>): Promise<string> => {
    const toolCallId = randomUUID();
    await say({ sessionUpdate: 'tool_call', toolCallId, title, kind, status: 'in_progress' });
    const text = await run();
    await say({
      sessionUpdate: 'tool_call_update',
      toolCallId,
      status: 'completed',
      content: [{ type: 'content', content: { type: 'text', text } }],
    });
    return text;
  };

  if (step.cost !== undefined) {
    const cost = { amount: step.cost, currency: 'USD' };
    await say({ sessionUpdate: 'usage_update', used: step.used, size: 200_000, cost });
  }
  if (step.offer !== undefined) {
    const availableCommands = step.offer.map((name) => ({ name, description: name }));
    await say({ sessionUpdate: 'available_commands_update', availableCommands });
  }
  if (step.wait !== undefined) await sleep(step.wait, signal);
  if (step.hang === true) await sleep(2 ** 31 - 1, signal);
  if (step.exit !== undefined) process.exit(step.exit);
  if (step.login !== undefined && !existsSync(step.login)) throw acp.RequestError.authRequired();
  if (step.limit !== undefined) await spend(step.limit, turn);
  if (step.error !== undefined) {
    throw new acp.RequestError(
      step.error,
      'scripted failure',
      step.kind === undefined ? undefined : { errorKind: step.kind },
    );
  }
  if (step.thought !== undefined) await message(turn, step.thought, 'agent_thought_chunk');
  if (step.edit !== undefined) {
    const path = isAbsolute(step.edit) ? step.edit : join(cwd, step.edit);
    if (step.ask !== true || (await allowed(`Write ${step.edit}`, 'edit', path))) {
      await tool(`Write ${step.edit}`, 'edit', async () => {
        await mkdir(dirname(path), { recursive: true });
        // By a rename: a save in place that is held up in the middle may be read as two.
        const whole = join(temp, randomUUID());
        await writeFile(whole, step.content);
        await rename(whole, path);
        return 'written';
      });
    }
  }
  if (typeof step.ask === 'string') await message(turn, (await allowed(step.ask, 'execute')) ? 'allowed' : 'refused');
  if (step.bash !== undefined) {
    const { bash } = step;
    await message(turn, await tool(bash, 'execute', () => shell(bash, cwd, signal)));
  }
  if (step.text !== undefined) await message(turn, step.text);
}

/** Notes the try beside the file. */
async function spend(file: string, { say }: Turn): Promise<void> {
  const until = await readIfExists(file);
  await appendFile(`${file}.tries`, until === undefined ? 'answered\n' : 'refused\n');
  if (until === undefined) return;
  const rateLimit = { status: 'rejected', resetsAt: Number(until) / 1_000 };
  await say({ sessionUpdate: 'usage_update', used: 1, size: 2, _meta: { '_claude/rateLimit': rateLimit } });
  throw new acp.RequestError(-32_603, 'scripted limit', { errorKind: 'rate_limit' });
}

async function shell(command: string, cwd: string, signal: AbortSignal): Promise<string> {
  try {
    const { stdout, stderr } = await promisify(execFile)('/bin/sh', ['-c', command], { cwd, signal });
    return `${stdout}${stderr}`.trim();
  } catch (thrown) {
    signal.throwIfAborted();
    const { stdout = '', stderr = '' } = thrown as { stdout?: string; stderr?: string };
    return `failed: ${stdout}${stderr}`.trim();
  }
}

function scriptOf(prompt: string): readonly Step[] {
  // What was said in earlier turns may stand before this one.
  const line = /SCRIPT:(\[.*\])/.exec(prompt.slice(Math.max(0, prompt.lastIndexOf('[aachat] Turn'))))?.[1];
  if (line === undefined) return [Step.parse({ text: replyTo(prompt) })];
  return z.array(Step).parse(JSON.parse(line));
}
