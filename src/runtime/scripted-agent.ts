/**
 * A small agent without a model, built in: for the demo, and for anybody who wants to see the loop before installing
 * anything. A real ACP program on stdin and stdout.
 *
 * It answers by fixed rules (`replyTo`). What others say can make it do one thing only: `note down: …` adds a line to a
 * document of the project, which whoever says it could write as well.
 */
import { randomUUID } from 'node:crypto';
import { appendFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import * as acp from '@agentclientprotocol/sdk';
import { z } from 'zod';
import { ensureDir, readIfExists, writePrivate } from '#base/fs.ts';
import { formatDocumentPath } from '#contract/paths.ts';
import { DOCUMENTS } from './home.ts';

const Memory = z.object({ cwd: z.string(), turns: z.int() });
type Conversation = z.infer<typeof Memory> & { cancel: AbortController };

/** One turn of the agent, as it shows it to its client. */
export interface Turn {
  readonly prompt: string;
  readonly cwd: string;
  /** Aborts when the client cancels the turn. */
  readonly signal: AbortSignal;
  readonly say: (update: acp.SessionUpdate) => Promise<void>;
  readonly ask: (title: string, kind: acp.ToolKind, path?: string) => Promise<acp.RequestPermissionResponse>;
}

/**
 * Speaks ACP until its input ends.
 *
 * @param dir where conversations are remembered, so that they can be resumed
 * @param play what it does in a turn
 */
export async function runScriptedAgent(
  input: Readable,
  output: Writable,
  dir: string,
  play: (turn: Turn) => Promise<void> = converse,
): Promise<void> {
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
      const { signal } = conversation.cancel;
      let stopReason: acp.StopReason = 'end_turn';
      try {
        await play({ prompt, cwd: conversation.cwd, signal, say, ask });
        signal.throwIfAborted();
      } catch (thrown) {
        if (!signal.aborted) throw thrown;
        stopReason = 'cancelled';
      }
      conversation.turns += 1;
      await remember(sessionId, conversation);
      return { stopReason };
    })
    .connect(acp.ndJsonStream(Writable.toWeb(output), Readable.toWeb(input) as ReadableStream<Uint8Array>));
  await new Promise<void>((resolve) => connection.signal.addEventListener('abort', () => resolve(), { once: true }));
}

async function converse(turn: Turn): Promise<void> {
  const { prompt, cwd, ask } = turn;
  const note = noteIn(prompt);
  if (note === undefined) return await message(turn, replyTo(prompt));
  const file = join(cwd, DOCUMENTS, note.path);
  const { outcome } = await ask(`Write ${file}`, 'edit', file);
  if (outcome.outcome !== 'selected' || outcome.optionId !== 'yes') {
    return await message(turn, 'I was not allowed to write it down.');
  }
  await ensureDir(dirname(file));
  await appendFile(file, `- ${note.text}\n`);
  await message(turn, `Noted in [[${NOTES}]].`);
}

/** Says a text like a model does: a few words at a time, under one message id. */
export async function message(
  { say }: Pick<Turn, 'say'>,
  text: string,
  sessionUpdate: 'agent_message_chunk' | 'agent_thought_chunk' = 'agent_message_chunk',
): Promise<void> {
  const messageId = randomUUID();
  for (const part of text.match(/\S+\s*|\s+/g) ?? []) {
    await say({ sessionUpdate, messageId, content: { type: 'text', text: part } });
  }
}

const HEADER = /^message \S+ from (?<author>\S+) \((?<kind>person|agent)/;

const PLACE = /^\[aachat\] Turn \S+ in project `(?<project>[^`]+)` of team `(?<team>[^`]+)`/m;
const NOTES = 'remembered';

/** What a person wants to have written down, and in which document; undefined: nothing. */
export function noteIn(prompt: string): { readonly path: string; readonly text: string } | undefined {
  const { author, said } = lastMessage(prompt);
  const text = /\bnote down:\s*(?<text>.+)/i.exec(said)?.groups?.['text']?.trim();
  const { team, project } = PLACE.exec(prompt)?.groups ?? {};
  if (author.kind !== 'person' || text === undefined || team === undefined || project === undefined) return undefined;
  return { path: formatDocumentPath({ team, project, kind: 'notes', name: NOTES }), text };
}

function lastMessage(prompt: string) {
  const lines = prompt.split('\n');
  const start = lines.findLastIndex((line) => HEADER.test(line));
  const { author: name = 'you', kind = 'person' } = HEADER.exec(lines[start] ?? '')?.groups ?? {};
  const quoted = lines.slice(start + 1).filter((line) => line.startsWith('> '));
  const said = quoted
    .map((line) => line.slice(2))
    .join(' ')
    .trim();
  return { author: { name, kind }, said };
}

/**
 * What a polite colleague without a mind would say: passes a question on to whom it names, answers an agent that asks,
 * and sums up what an agent answered. A `ping` of an agent is answered with the next one, and `thanks` with thanks, for
 * ever.
 */
export function replyTo(prompt: string): string {
  const { author: asker, said } = lastMessage(prompt);
  const { name: author, kind } = asker;
  const words = said.replace(/@\S+/g, '').replace(/\s+/g, ' ').trim();
  const other = /\bask @?(?<name>[a-z0-9-]+(?:\.[a-z0-9-]+)?)\b(?<question>.*)/i.exec(said)?.groups;
  if (kind === 'person' && other !== undefined) {
    const question = (other['question'] ?? '').replace(/^[\s:,]+/, '').trim();
    return `@${other['name']} ${question === '' ? 'what do you think?' : question}`;
  }
  const ping = /^ping(?: (?<count>\d+))?$/.exec(words)?.groups;
  if (kind === 'agent' && ping !== undefined) return `@${author} ping ${Number(ping['count'] ?? 1) + 1}`;
  if (kind === 'agent' && words === 'thanks') return `@${author} thanks`;
  if (kind === 'person') return `You said: "${words}". I have no model behind me, so that is all I can do with it.`;
  if (words.startsWith('My answer')) return `Here is what ${author} says: ${words}`;
  return `@${author} My answer to "${words}": yes, and I would begin with the smallest step that can be shown.`;
}
