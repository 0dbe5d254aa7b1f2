/** An ACP agent with one oddity, named by its first argument, that real programs have and the scripted one has not. */
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import * as acp from '@agentclientprotocol/sdk';
import { z } from 'zod';

const oddity = process.argv[2];
const never = new Promise<never>(() => {});
const say = (client: acp.AgentContext, text: string, messageId: string, sessionId = 'old') =>
  client.notify(acp.methods.client.session.update, {
    sessionId,
    update: { sessionUpdate: 'agent_message_chunk', messageId, content: { type: 'text', text } },
  });

/** A kind of update from the future, a tool that only has a name, a question without details, words without an id. */
async function answerBarely(client: acp.AgentContext): Promise<{ stopReason: 'end_turn' }> {
  const update = (value: object) =>
    client.notify(acp.methods.client.session.update, { sessionId: 'old', update: value as acp.SessionUpdate });
  await update({ sessionUpdate: 'mood_update', mood: 'sunny' });
  await update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: 'I will look.' } });
  await update({ sessionUpdate: 'tool_call', toolCallId: 't', title: 'look' });
  const { outcome } = await askBarely(client);
  const text = outcome.outcome === 'selected' ? outcome.optionId : outcome.outcome;
  await update({ sessionUpdate: 'agent_message_chunk', content: { type: 'text', text } });
  return { stopReason: 'end_turn' };
}

const askBarely = (client: acp.AgentContext) =>
  client.request(acp.methods.client.session.requestPermission, {
    sessionId: 'old',
    toolCall: { toolCallId: 't', rawInput: { command: 'ls -la' } },
    options: [{ optionId: 'go', kind: 'allow_once', name: 'Go' }],
  });

/** Asks again when its turn is over before anybody has answered. */
async function insist(client: acp.AgentContext): Promise<void> {
  while ((await askBarely(client)).outcome.outcome === 'cancelled') await sleep(50);
}

/** Whoever started it says when its turn is over: it may hear that together with what comes next. */
async function turnIsOver(): Promise<void> {
  while (!existsSync('over')) await sleep(20);
}

/** From then on nothing of it moves. */
function freeze(): void {
  writeFileSync('frozen', '');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/** The first of its kind ends once there is a file that says so. */
function endOnce(folder: string): void {
  const [end, mark] = [join(folder, 'brief.end'), join(folder, 'brief.gone')];
  if (existsSync(mark)) return;
  process.once('exit', () => writeFileSync(mark, ''));
  setInterval(() => existsSync(end) && process.exit(1), 20);
}

// Neither the end of its input nor a signal ends it.
if (oddity === 'immortal') {
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) process.on(signal, () => {});
  setInterval(() => {}, 1_000);
}

acp
  .agent({ name: 'odd' })
  .onRequest(acp.methods.agent.initialize, () => {
    if (oddity === 'renewing') appendFileSync(process.argv[3] ?? '', 'in\n');
    if (oddity === 'mute') return never;
    // Everything that the protocol leaves to the agent is left out.
    if (oddity === 'bare') return { protocolVersion: 1 };
    return {
      protocolVersion: oddity === 'newer' ? 2 : 1,
      agentInfo: { name: 'odd', version: '0.1' },
      // It can load, not resume.
      agentCapabilities: {
        loadSession: true,
        ...(oddity === 'lists' ? { sessionCapabilities: { list: {} } } : {}),
        ...(oddity === 'forgetful' ? { sessionCapabilities: { fork: {} } } : {}),
      },
    };
  })
  .onRequest(acp.methods.agent.session.new, async () => {
    if (oddity === 'renewing') {
      await sleep(200);
      appendFileSync(process.argv[3] ?? '', 'out\n');
    }
    if (oddity === 'brief') endOnce(process.argv[3] ?? '');
    if (oddity === 'frozen') setTimeout(freeze, 100);
    if (oddity === 'login') throw new acp.RequestError(-32_000, 'Authentication required');
    return { sessionId: 'old' };
  })
  .onRequest(acp.methods.agent.session.load, async ({ params, client }) => {
    if (oddity === 'broken' || oddity === 'lists') throw new acp.RequestError(-32_603, 'Internal error');
    if (params.sessionId !== 'old') throw new acp.RequestError(-32_002, 'Resource not found');
    await say(client, 'what was said before', 'm0');
    return {};
  })
  // It knows what it was told itself, and loses every copy; with a second argument it makes but one.
  .onRequest('session/fork', z.object({ sessionId: z.string() }), async ({ params }) => {
    const made = process.argv[3];
    if (params.sessionId !== 'old' || (made !== undefined && existsSync(made)))
      throw new acp.RequestError(-32_002, 'Resource not found');
    if (made !== undefined) writeFileSync(made, '');
    return { sessionId: 'copy' };
  })
  .onRequest(acp.methods.agent.session.list, ({ params }) => {
    const session = (sessionId: string) => ({ sessionId, cwd: process.cwd() });
    return params.cursor === 'more'
      ? { sessions: [session('old')] }
      : { sessions: [session('other')], nextCursor: 'more' };
  })
  .onRequest(acp.methods.agent.session.setMode, () => {
    if (oddity === 'bare') throw acp.RequestError.methodNotFound('session/set_mode');
    throw new acp.RequestError(-32_602, 'Mode is not available');
  })
  .onRequest(acp.methods.agent.session.prompt, async ({ client, params }) => {
    // Deaf to a cancel, too.
    if (/^(stubborn|immortal)$/.test(oddity ?? '') && JSON.stringify(params.prompt).includes('HANG')) return never;
    if (oddity === 'bare') return await answerBarely(client);
    await say(client, 'answer', 'm1', params.sessionId);
    if (oddity === 'late') void turnIsOver().then(() => say(client, ' and more', 'm1'));
    if (oddity === 'nosy') void insist(client).catch(() => {});
    // The end of its turn and what comes next leave together.
    if (oddity === 'hasty') process.stdout.cork();
    if (oddity === 'eager' || oddity === 'hasty') {
      void (oddity === 'eager' ? turnIsOver() : sleep(50)).then(async () => {
        await say(client, 'a command in the background ended', 'm2');
        await client.notify(acp.methods.client.session.update, {
          sessionId: 'old',
          update: { sessionUpdate: 'usage_update', used: 1, size: 2 },
        });
        process.stdout.uncork();
      });
    }
    return { stopReason: 'end_turn' };
  })
  .connect(
    acp.ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>),
  );
