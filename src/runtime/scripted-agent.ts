/**
 * A small agent without a model, built in: for the demo, and for anybody who wants to see the loop before installing
 * anything. A real ACP program on stdin and stdout.
 *
 * It answers by fixed rules (`replyTo`). A script in the prompt wins: `SCRIPT:[step, …]` on one line, each step one of
 *
 *   {"text": "…"}                         a message; the last one is the answer
 *   {"thought": "…"}                      a thought
 *   {"edit": "path", "content": "…"}      writes a file, after asking if `"ask": true`
 *   {"bash": "command"}                   runs it in the workspace and says what it printed
 *   {"ask": "title"}                      asks for permission and says how that went
 *   {"wait": ms} {"hang": true} {"exit": status} {"error": code, "kind": "rate_limit"}
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { promisify } from 'node:util';
import * as acp from '@agentclientprotocol/sdk';
import { z } from 'zod';
import { readIfExists, writePrivate } from '#base/fs.ts';
import { sleep } from '#base/time.ts';

const Step = z.object({
  text: z.string().optional(),
  thought: z.string().optional(),
  edit: z.string().optional(),
  content: z.string().default(''),
  bash: z.string().optional(),
  ask: z.union([z.string(), z.boolean()]).optional(),
  wait: z.number().optional(),
  hang: z.boolean().optional(),
  exit: z.number().optional(),
  error: z.number().optional(),
  kind: z.string().optional(),
});
type Step = z.infer<typeof Step>;

const Memory = z.object({ cwd: z.string(), turns: z.int() });
type Conversation = z.infer<typeof Memory> & { cancel: AbortController };

/**
 * Speaks ACP until its input ends.
 *
 * @param dir where conversations are remembered, so that they can be resumed
 */
export async function runScriptedAgent(input: Readable, output: Writable, dir: string): Promise<void> {
  const conversations = new Map<string, Conversation>();
  const file = (sessionId: string) => join(dir, `scripted-${sessionId.replace(/[^a-z0-9-]/gi, '')}.json`);
  const remember = async (sessionId: string, { cwd, turns }: Conversation) =>
    writePrivate(file(sessionId), JSON.stringify({ cwd, turns }));

  const recall = async (sessionId: string, cwd: string): Promise<Record<string, never>> => {
    const text = await readIfExists(file(sessionId));
    if (text === undefined) throw acp.RequestError.resourceNotFound(sessionId);
    conversations.set(sessionId, { ...Memory.parse(JSON.parse(text)), cwd, cancel: new AbortController() });
    return {};
  };

  const connection = acp
    .agent({ name: 'aachat-scripted' })
    .onRequest(acp.methods.agent.initialize, () => ({
      protocolVersion: acp.PROTOCOL_VERSION,
      agentInfo: { name: 'aachat-scripted', version: '1' },
      agentCapabilities: { loadSession: true, sessionCapabilities: { resume: {} } },
    }))
    .onRequest(acp.methods.agent.session.new, async ({ params }) => {
      const sessionId = randomUUID();
      const conversation = { cwd: params.cwd, turns: 0, cancel: new AbortController() };
      conversations.set(sessionId, conversation);
      await remember(sessionId, conversation);
      return { sessionId };
    })
    .onRequest(acp.methods.agent.session.resume, ({ params }) => recall(params.sessionId, params.cwd))
    .onRequest(acp.methods.agent.session.load, ({ params }) => recall(params.sessionId, params.cwd))
    .onNotification(acp.methods.agent.session.cancel, ({ params }) => {
      conversations.get(params.sessionId)?.cancel.abort();
    })
    .onRequest(acp.methods.agent.session.prompt, async ({ params, client }) => {
      const { sessionId } = params;
      const conversation = conversations.get(sessionId);
      if (conversation === undefined) throw acp.RequestError.resourceNotFound(sessionId);
      conversation.cancel = new AbortController();
      const prompt = params.prompt.map((block) => (block.type === 'text' ? block.text : '')).join('\n');
      const say = (update: acp.SessionUpdate) =>
        client.notify(acp.methods.client.session.update, { sessionId, update });
      const ask = (title: string, kind: acp.ToolKind, path?: string) =>
        client.request(acp.methods.client.session.requestPermission, {
          sessionId,
          toolCall: {
            toolCallId: randomUUID(),
            title,
            kind,
            status: 'pending',
            ...(path === undefined ? {} : { locations: [{ path }] }),
          },
          options: [
            { optionId: 'yes', kind: 'allow_once', name: 'Allow' },
            { optionId: 'no', kind: 'reject_once', name: 'Reject' },
          ],
        });
      const player = { cwd: conversation.cwd, signal: conversation.cancel.signal, say, ask };
      let stopReason: acp.StopReason = 'end_turn';
      try {
        for (const step of scriptOf(prompt)) await play(step, player);
        player.signal.throwIfAborted();
      } catch (thrown) {
        if (!conversation.cancel.signal.aborted) throw thrown;
        stopReason = 'cancelled';
      }
      conversation.turns += 1;
      await remember(sessionId, conversation);
      return { stopReason };
    })
    .connect(acp.ndJsonStream(Writable.toWeb(output), Readable.toWeb(input) as ReadableStream<Uint8Array>));
  await new Promise<void>((resolve) => connection.signal.addEventListener('abort', () => resolve(), { once: true }));
}

interface Player {
  readonly cwd: string;
  readonly signal: AbortSignal;
  readonly say: (update: acp.SessionUpdate) => Promise<void>;
  readonly ask: (title: string, kind: acp.ToolKind, path?: string) => Promise<acp.RequestPermissionResponse>;
}

async function play(step: Step, { cwd, signal, say, ask }: Player): Promise<void> {
  signal.throwIfAborted();
  const message = (text: string, kind: 'agent_message_chunk' | 'agent_thought_chunk' = 'agent_message_chunk') =>
    stream(text, (part, messageId) => say({ sessionUpdate: kind, messageId, content: { type: 'text', text: part } }));
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

  if (step.wait !== undefined) await sleep(step.wait, signal);
  if (step.hang === true) await sleep(2 ** 31 - 1, signal);
  if (step.exit !== undefined) process.exit(step.exit);
  if (step.error !== undefined) {
    throw new acp.RequestError(
      step.error,
      'scripted failure',
      step.kind === undefined ? undefined : { errorKind: step.kind },
    );
  }
  if (step.thought !== undefined) await message(step.thought, 'agent_thought_chunk');
  if (step.edit !== undefined) {
    const path = isAbsolute(step.edit) ? step.edit : join(cwd, step.edit);
    if (step.ask !== true || (await allowed(`Write ${step.edit}`, 'edit', path))) {
      await tool(`Write ${step.edit}`, 'edit', async () => {
        await mkdir(dirname(path), { recursive: true });
        await writeFile(path, step.content);
        return 'written';
      });
    }
  }
  if (typeof step.ask === 'string') await message((await allowed(step.ask, 'execute')) ? 'allowed' : 'refused');
  if (step.bash !== undefined) {
    const { bash } = step;
    await message(await tool(bash, 'execute', () => shell(bash, cwd, signal)));
  }
  if (step.text !== undefined) await message(step.text);
}

/** Streams like a model does: a few words at a time, under one message id. */
async function stream(text: string, say: (part: string, messageId: string) => Promise<void>): Promise<void> {
  const messageId = randomUUID();
  for (const part of text.match(/\S+\s*|\s+/g) ?? []) await say(part, messageId);
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
  const line = /SCRIPT:(\[.*\])/.exec(prompt)?.[1];
  if (line === undefined) return [Step.parse({ text: replyTo(prompt) })];
  return z.array(Step).parse(JSON.parse(line));
}

const HEADER = /^message \S+ from (?<author>\S+) \((?<kind>person|agent)/;

/**
 * What a polite colleague without a mind would say: passes a question on to whom it names, answers an agent that asks,
 * and sums up what an agent answered. A `ping` of an agent is answered with a ping, for ever.
 */
export function replyTo(prompt: string): string {
  const lines = prompt.split('\n');
  const start = lines.findLastIndex((line) => HEADER.test(line));
  const { author = 'you', kind = 'person' } = HEADER.exec(lines[start] ?? '')?.groups ?? {};
  const quoted = lines.slice(start + 1).filter((line) => line.startsWith('> '));
  const said = quoted
    .map((line) => line.slice(2))
    .join(' ')
    .trim();
  const words = said.replace(/@\S+/g, '').replace(/\s+/g, ' ').trim();
  const other = /\bask @?(?<name>[a-z0-9-]+(?:\.[a-z0-9-]+)?)\b(?<question>.*)/i.exec(said)?.groups;
  if (kind === 'person' && other !== undefined) {
    const question = (other['question'] ?? '').replace(/^[\s:,]+/, '').trim();
    return `@${other['name']} ${question === '' ? 'what do you think?' : question}`;
  }
  if (kind === 'agent' && words === 'ping') return `@${author} ping`;
  if (kind === 'person') return `You said: "${words}". I have no model behind me, so that is all I can do with it.`;
  if (words.startsWith('My answer')) return `Here is what ${author} says: ${words}`;
  return `@${author} My answer to "${words}": yes, and I would begin with the smallest step that can be shown.`;
}
