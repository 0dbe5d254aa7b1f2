/**
 * The HTTP API of the LLM, scripted: everything else in the tests of Claude Code is the real program.
 *
 * The script stands in the prompt, so the server keeps no state, and works on after a resume. The last text of a user
 * that holds `FAKE:[step, …]` (one line of JSON) is the script of that turn; the number of assistant messages after it
 * says which step is due. A prompt without a script is echoed.
 */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Step =
  | {
      readonly think?: string;
      readonly text: string;
      readonly chunks?: number;
      readonly stop?: 'refusal';
    }
  | {
      readonly think?: string;
      readonly say?: string;
      readonly tool: string;
      readonly input: Readonly<Record<string, unknown>>;
    }
  /** The stream begins, and nothing follows but this. */
  | { readonly text?: string; readonly hang: true }
  | {
      readonly status: number;
      readonly error: string;
      readonly message?: string;
      readonly headers?: Readonly<Record<string, string>>;
    };

/** Text for a prompt that makes the model do `steps`, one per request. */
export const script = (...steps: readonly Step[]): string => `FAKE:${JSON.stringify(steps)}`;

interface Block {
  readonly type: string;
  readonly text?: string;
}
interface Message {
  readonly role: string;
  readonly content: string | readonly Block[];
}
interface Body {
  readonly model?: string;
  readonly messages?: readonly Message[];
  readonly tools?: readonly { readonly name: string }[];
  readonly output_config?: { readonly format?: { readonly schema?: { readonly properties?: object } } };
}

export interface ApiRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly raw: string;
  /** Names of the tools that the model may use; empty for side calls such as titles. */
  readonly tools: readonly string[];
}

export interface FakeAnthropic extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly ApiRequest[];
  /** Requests of turns, without side calls. */
  turns(): readonly ApiRequest[];
}

export async function fakeAnthropic(): Promise<FakeAnthropic> {
  const requests: ApiRequest[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks).toString('utf8');
    const path = new URL(request.url ?? '/', 'http://api.invalid').pathname;
    const body: Body = path === '/v1/messages' ? JSON.parse(raw) : {};
    const tools = (body.tools ?? []).map(({ name }) => name);
    requests.push({ path, headers: request.headers, raw, tools });
    if (path !== '/v1/messages') return fail(response, 404, 'not_found_error', 'no such path');
    await answer(response, body, requests.length);
  });
  // Else it might close a connection in the very moment in which a request comes.
  server.keepAliveTimeout = 0;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    turns: () => requests.filter(({ tools }) => tools.length > 0),
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(response: ServerResponse, body: Body, number: number): Promise<void> {
  const step = (body.tools ?? []).length === 0 ? sideStep(body) : stepOf(body.messages ?? []);
  if ('status' in step) return fail(response, step.status, step.error, step.message ?? 'scripted', step.headers);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'request-id': `req_${number}` });
  const send = (type: string, data: object) =>
    response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`);
  const usage = { input_tokens: 100, cache_creation_input_tokens: 0, cache_read_input_tokens: 7, output_tokens: 10 };
  const message = { id: `msg_${number}`, type: 'message', role: 'assistant', model: body.model, content: [], usage };
  send('message_start', { message: { ...message, stop_reason: null, stop_sequence: null } });
  if ('hang' in step) {
    if (step.text !== undefined) streamText(send, 0, step.text);
    await new Promise((resolve) => response.once('close', resolve));
    return;
  }
  let index = 0;
  if (step.think !== undefined) {
    send('content_block_start', { index, content_block: { type: 'thinking', thinking: '', signature: '' } });
    send('content_block_delta', { index, delta: { type: 'thinking_delta', thinking: step.think } });
    send('content_block_delta', { index, delta: { type: 'signature_delta', signature: 'c2lnbmVk' } });
    send('content_block_stop', { index });
    index += 1;
  }
  const text = 'tool' in step ? step.say : step.text;
  if (text !== undefined && text !== '') {
    streamText(send, index, text, 'tool' in step ? 1 : step.chunks);
    index += 1;
  }
  if ('tool' in step) {
    const content_block = { type: 'tool_use', id: `toolu_${number}`, name: step.tool, input: {} };
    send('content_block_start', { index, content_block });
    const delta = { type: 'input_json_delta', partial_json: JSON.stringify(step.input) };
    send('content_block_delta', { index, delta });
    send('content_block_stop', { index });
  }
  const stop_reason = 'tool' in step ? 'tool_use' : (step.stop ?? 'end_turn');
  send('message_delta', { delta: { stop_reason, stop_sequence: null }, usage: { output_tokens: 10 } });
  send('message_stop', {});
  response.end();
}

function streamText(send: (type: string, data: object) => void, index: number, text: string, chunks = 1): void {
  send('content_block_start', { index, content_block: { type: 'text', text: '' } });
  const size = Math.max(1, Math.ceil(text.length / chunks));
  for (let at = 0; at < text.length; at += size) {
    send('content_block_delta', { index, delta: { type: 'text_delta', text: text.slice(at, at + size) } });
  }
  send('content_block_stop', { index });
}

function fail(response: ServerResponse, status: number, type: string, message: string, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify({ type: 'error', error: { type, message } }));
}

/** A call without tools is no turn: a title, a suggestion, a summary. */
function sideStep(body: Body): Step {
  const properties = body.output_config?.format?.schema?.properties ?? {};
  return { text: 'title' in properties ? JSON.stringify({ title: 'A title' }) : 'ok' };
}

function stepOf(messages: readonly Message[]): Step {
  const at = messages.findLastIndex((message) => message.role === 'user' && promptIn(message.content) !== '');
  const text = promptIn(messages[at]?.content ?? '');
  // The outermost script of the last line that has one: an answer may carry a script for somebody else.
  const scripted = text.split('\n').findLast((candidate) => candidate.includes('FAKE:['));
  if (scripted === undefined) return { text: `echo: ${text.slice(-200)}` };
  const line = scripted.slice(scripted.indexOf('FAKE:[') + 5);
  const steps = JSON.parse(line.slice(0, line.lastIndexOf(']') + 1)) as readonly Step[];
  const done = messages.slice(at + 1).filter(({ role }) => role === 'assistant').length;
  return steps[done] ?? { text: 'script over' };
}

/** What somebody said; empty for results of tools and for what Claude Code itself adds. */
function promptIn(content: Message['content']): string {
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : content;
  const text = blocks
    .map(({ text = '' }) => text)
    .join('\n')
    .replace(/<system-reminder>.*?<\/system-reminder>/gs, '')
    .trim();
  // After a cancel the next prompt stands beside the results of the tools that were cut off.
  return text.includes('FAKE:[') || !blocks.some(({ type }) => type === 'tool_result') ? text : '';
}
