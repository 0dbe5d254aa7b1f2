/** An ACP agent with one oddity, named by its first argument, that real programs have and the scripted one has not. */
import { Readable, Writable } from 'node:stream';
import * as acp from '@agentclientprotocol/sdk';

const oddity = process.argv[2];
const never = new Promise<never>(() => {});
const say = (client: acp.AgentContext, text: string, messageId: string) =>
  client.notify(acp.methods.client.session.update, {
    sessionId: 'old',
    update: { sessionUpdate: 'agent_message_chunk', messageId, content: { type: 'text', text } },
  });

acp
  .agent({ name: 'odd' })
  .onRequest(acp.methods.agent.initialize, () => {
    if (oddity === 'mute') return never;
    return {
      protocolVersion: oddity === 'newer' ? 2 : 1,
      agentInfo: { name: 'odd', version: '0.1' },
      // It can load, not resume.
      agentCapabilities: { loadSession: true },
    };
  })
  .onRequest(acp.methods.agent.session.new, () => {
    if (oddity === 'login') throw new acp.RequestError(-32_000, 'Authentication required');
    return { sessionId: 'old' };
  })
  .onRequest(acp.methods.agent.session.load, async ({ params, client }) => {
    if (oddity === 'broken') throw new acp.RequestError(-32_603, 'Internal error');
    if (params.sessionId !== 'old') throw new acp.RequestError(-32_002, 'Resource not found');
    await say(client, 'what was said before', 'm0');
    return {};
  })
  .onRequest(acp.methods.agent.session.setMode, () => {
    throw new acp.RequestError(-32_602, 'Mode is not available');
  })
  .onRequest(acp.methods.agent.session.prompt, async ({ client, params }) => {
    // Deaf to a cancel, too.
    if (oddity === 'stubborn' && JSON.stringify(params.prompt).includes('HANG')) return never;
    await say(client, 'answer', 'm1');
    if (oddity === 'eager') {
      setTimeout(async () => {
        await say(client, 'a command in the background ended', 'm2');
        await client.notify(acp.methods.client.session.update, {
          sessionId: 'old',
          update: { sessionUpdate: 'usage_update', used: 1, size: 2 },
        });
      }, 50);
    }
    return { stopReason: 'end_turn' };
  })
  .connect(
    acp.ndJsonStream(Writable.toWeb(process.stdout), Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>),
  );
