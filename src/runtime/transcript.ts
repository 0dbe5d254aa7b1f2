/**
 * Lines of a transcript of Claude Code, as lines of a session's log. Pure. A transcript is another program's file, which
 * anybody may have written: nothing in it is taken for more than text, a time, or a count.
 */
import { z } from 'zod';
import { newId } from '#base/id.ts';
import { parseJson } from '#base/json.ts';
import { isoTime } from '#base/time.ts';
import type { Counters } from '#contract/entities.ts';
import type { ProjectId, TurnId } from '#contract/ids.ts';
import type { LogEvent, TurnRecord } from './log-events.ts';

const text = z.string();
const flag = z.boolean().optional().catch(undefined);
const name = z.string().max(100);

const Block = z.looseObject({ type: text });
const Usage = z.object({
  input_tokens: z.number().catch(0),
  output_tokens: z.number().catch(0),
  cache_read_input_tokens: z.number().catch(0),
  cache_creation_input_tokens: z.number().catch(0),
});

const Spoken = z.looseObject({
  type: z.enum(['user', 'assistant']),
  uuid: name,
  timestamp: name.optional().catch(undefined),
  isSidechain: flag,
  isMeta: flag,
  isCompactSummary: flag,
  isApiErrorMessage: flag,
  message: z.looseObject({
    role: z.enum(['user', 'assistant']),
    id: name.optional().catch(undefined),
    content: z.union([text, z.array(Block)]),
    usage: Usage.optional().catch(undefined),
  }),
});
type Spoken = z.infer<typeof Spoken>;

const System = z.looseObject({ type: z.literal('system'), uuid: name, isSidechain: flag });
/** Lines that only programs read, and those that name the conversation. */
const Other = z.looseObject({ type: text });

export type TranscriptLine =
  | { readonly kind: 'spoken'; readonly line: Spoken }
  | { readonly kind: 'system'; readonly line: z.infer<typeof System> }
  | { readonly kind: 'other'; readonly line: z.infer<typeof Other> };

/** @returns undefined for a line that is none of a transcript */
export function parseTranscriptLine(raw: string): TranscriptLine | undefined {
  const value = parseJson(raw);
  const type = Other.safeParse(value);
  if (!type.success) return undefined;
  switch (type.data.type) {
    case 'user':
    case 'assistant': {
      const { data } = Spoken.safeParse(value);
      return data === undefined || data.type !== data.message.role ? undefined : { kind: 'spoken', line: data };
    }
    case 'system': {
      const { data } = System.safeParse(value);
      return data === undefined ? undefined : { kind: 'system', line: data };
    }
    default:
      return { kind: 'other', line: type.data };
  }
}

/** What Claude Code needs of a line to go on from it. Titles, queues, costs and side talks stay behind. */
const KEPT = [
  'parentUuid',
  'logicalParentUuid',
  'isSidechain',
  'isMeta',
  'isCompactSummary',
  'isVisibleInTranscriptOnly',
  'type',
  'subtype',
  'content',
  'level',
  'compactMetadata',
  'message',
  'uuid',
  'timestamp',
  'requestId',
  'cwd',
  'version',
];

/** Writes a transcript anew under another id, so that the one that was imported stays as it is. */
export function createTranscriptCopy(sessionId: string): (parsed: TranscriptLine) => string | undefined {
  const kept = new Set<string>();
  /** Of lines that are left out: whose child they were. */
  const skipped = new Map<string, string | null>();
  let last: string | null = null;
  const parentOf = (uuid: unknown): string | null => {
    let at = uuid;
    for (let steps = 0; steps < 1_000 && typeof at === 'string'; steps += 1) {
      if (kept.has(at)) return at;
      at = skipped.get(at);
    }
    // It was in a line that could not be read: what was said before it is the best guess.
    return uuid === null ? null : last;
  };
  return ({ kind, line }) => {
    const { uuid, parentUuid } = line;
    if (kind === 'other' || line.isSidechain === true) {
      const isNamed = typeof uuid === 'string' && uuid.length <= 100;
      if (isNamed && line['isSidechain'] !== true) skipped.set(uuid, parentOf(parentUuid));
      return undefined;
    }
    const copied = Object.fromEntries(KEPT.flatMap((key) => (line[key] === undefined ? [] : [[key, line[key]]])));
    const text = JSON.stringify(
      withoutDepth({ ...copied, parentUuid: parentOf(parentUuid), isSidechain: false, sessionId }),
    );
    kept.add(line.uuid);
    last = line.uuid;
    return text;
  };
}

/** What a transcript says of itself. */
export function titleOf({ kind, line }: TranscriptLine): string | undefined {
  if (kind !== 'other') return undefined;
  const title = { summary: line['summary'], 'custom-title': line['customTitle'], 'ai-title': line['aiTitle'] }[
    line.type
  ];
  return typeof title === 'string' ? title : undefined;
}

export interface ImportedEvent {
  readonly at: string;
  readonly event: LogEvent;
}

export interface TranscriptReader {
  /** What a line adds to the log. */
  read(parsed: TranscriptLine): readonly ImportedEvent[];
  /** Ends the turn that is open. */
  end(): readonly ImportedEvent[];
  readonly turns: number;
  readonly firstPrompt: string | undefined;
}

/** So much of a text is kept in one line of the log; what an agent program said may be longer (`log-outputs.ts`). */
const LONGEST_TEXT = 256 * 1024;
const EARLIEST = Date.parse('2020-01-01T00:00:00.000Z');
const MOST_TOKENS = 1e12;
const NO_TOKENS = { inputTokens: 0, outputTokens: 0, cacheReadTokens: 0, cacheWriteTokens: 0, costMicros: 0 };
const INTERRUPTED = '[Request interrupted by user';

interface OpenTurn {
  readonly turnId: TurnId;
  counters: Counters;
  /** Each line of one answer repeats what the whole answer cost. */
  answer: { readonly id: string | undefined; readonly counters: Counters };
  text: string;
  end: Pick<TurnRecord, 'state' | 'stopReason'>;
}

/**
 * @param projectId where the turns count as held
 * @param now no line is younger, in epoch milliseconds
 */
export function createTranscriptReader(projectId: ProjectId, now: number): TranscriptReader {
  let open: OpenTurn | undefined;
  let at = isoTime(now);
  let turns = 0;
  let firstPrompt: string | undefined;
  const timed = (event: LogEvent): ImportedEvent => ({ at, event });

  const begin = (prompt: string): readonly ImportedEvent[] => {
    const ended = end();
    const turnId = newId<TurnId>();
    const failed = { state: 'failed', stopReason: 'agent_error' } as const;
    open = { turnId, counters: NO_TOKENS, answer: { id: undefined, counters: NO_TOKENS }, text: '', end: failed };
    turns += 1;
    firstPrompt ??= prompt === '' ? undefined : prompt;
    return [
      ...ended,
      timed({ type: 'turn.started', turnId, projectId, signals: [] }),
      timed({ type: 'turn.prompted', turnId, prompt: clip(prompt) }),
    ];
  };

  const end = (): readonly ImportedEvent[] => {
    if (open === undefined) return [];
    const { turnId, answer, text: said } = open;
    const counters = sum(open.counters, answer.counters);
    const outcome = { ...open.end, text: clip(said), counters, lastMessageId: null };
    open = undefined;
    return [timed({ type: 'turn.finished', turnId, outcome }), timed({ type: 'turn.closed', turnId })];
  };

  const heard = ({ message, isMeta, isCompactSummary }: Spoken): readonly ImportedEvent[] => {
    const blocks = blocksOf(message.content);
    const results = blocks.filter(({ type }) => type === 'tool_result');
    const words = blocks
      .filter(({ type }) => type !== 'tool_result')
      .map(wordsOf)
      .filter((part) => part !== '');
    const prompt = words.join('\n');
    const updates = results.map((block) => update(resultOf(block)));
    if (prompt === '' || isMeta === true || isCompactSummary === true) return updates;
    if (prompt.startsWith(INTERRUPTED)) {
      if (open !== undefined) open.end = { state: 'cancelled', stopReason: 'cancelled' };
      return [...updates, ...end()];
    }
    return results.length > 0
      ? [...updates, update({ sessionUpdate: 'user_message_chunk', text: prompt })]
      : begin(prompt);
  };

  const said = ({ message, isApiErrorMessage }: Spoken): readonly ImportedEvent[] => {
    const begun = open === undefined ? begin('') : [];
    const turn = open as OpenTurn;
    if (turn.answer.id === undefined || turn.answer.id !== message.id)
      turn.counters = sum(turn.counters, turn.answer.counters);
    turn.answer = { id: message.id, counters: countersOf(message.usage) };
    if (isApiErrorMessage !== true) turn.end = { state: 'ended', stopReason: 'end_turn' };
    const updates = blocksOf(message.content).flatMap((block) => {
      const spoken = spokenOf(block);
      if (block.type === 'text') turn.text = wordsOf(block);
      return spoken === undefined ? [] : [update(spoken)];
    });
    return [...begun, ...updates];
  };

  const update = (value: unknown): ImportedEvent =>
    timed({ type: 'update', turnId: open?.turnId ?? null, update: withoutDepth(value) });

  return {
    read({ kind, line }) {
      if (kind !== 'spoken' || line.isSidechain === true) return [];
      const time = Date.parse(line.timestamp ?? '');
      if (time >= EARLIEST && time <= now) at = isoTime(time);
      return line.type === 'user' ? heard(line) : said(line);
    },
    end,
    get turns() {
      return turns;
    },
    get firstPrompt() {
      return firstPrompt;
    },
  };
}

type Block = z.infer<typeof Block>;

const blocksOf = (content: Spoken['message']['content']): readonly Block[] =>
  typeof content === 'string' ? [{ type: 'text', text: content }] : content;

const wordsOf = (block: Block): string => {
  if (block.type === 'text') return typeof block['text'] === 'string' ? block['text'] : '';
  return block.type === 'image' || block.type === 'document' ? `[${block.type}]` : '';
};

function spokenOf(block: Block): unknown {
  switch (block.type) {
    case 'text':
      return wordsOf(block) === '' ? undefined : { sessionUpdate: 'agent_message_chunk', text: wordsOf(block) };
    case 'thinking':
      return typeof block['thinking'] === 'string' && block['thinking'] !== ''
        ? { sessionUpdate: 'agent_thought_chunk', text: block['thinking'] }
        : undefined;
    case 'tool_use': {
      const { id: toolCallId, name: tool, input } = block;
      const title = [tool, ...subjectOf(input)].filter((word) => typeof word === 'string').join(' ');
      return { sessionUpdate: 'tool_call', toolCallId, title: title.slice(0, 500), status: 'pending', rawInput: input };
    }
    default:
      return undefined;
  }
}

/** What a call of a tool is about, in its title. */
function subjectOf(input: unknown): readonly unknown[] {
  const { command, file_path: path, pattern, url } = (input ?? {}) as Readonly<Record<string, unknown>>;
  return [command ?? path ?? pattern ?? url];
}

function resultOf(block: Block): unknown {
  const { tool_use_id: toolCallId, is_error: isError, content } = block;
  const blocks = z.union([text, z.array(Block)]).safeParse(content);
  const words = blocks.success ? blocksOf(blocks.data).map(wordsOf).join('\n') : '';
  const status = isError === true ? 'failed' : 'completed';
  const shown = [{ type: 'content', content: { type: 'text', text: words } }];
  return { sessionUpdate: 'tool_call_update', toolCallId, status, content: shown };
}

const clip = (words: string): string =>
  words.length <= LONGEST_TEXT ? words : `${words.slice(0, LONGEST_TEXT).toWellFormed()}…`;

function countersOf(usage: z.infer<typeof Usage> | undefined): Counters {
  if (usage === undefined) return NO_TOKENS;
  const count = (value: number) => Math.min(MOST_TOKENS, Math.max(0, Math.trunc(value)));
  return {
    inputTokens: count(usage.input_tokens),
    outputTokens: count(usage.output_tokens),
    cacheReadTokens: count(usage.cache_read_input_tokens),
    cacheWriteTokens: count(usage.cache_creation_input_tokens),
    costMicros: 0,
  };
}

const sum = (a: Counters, b: Counters): Counters => ({
  inputTokens: a.inputTokens + b.inputTokens,
  outputTokens: a.outputTokens + b.outputTokens,
  cacheReadTokens: a.cacheReadTokens + b.cacheReadTokens,
  cacheWriteTokens: a.cacheWriteTokens + b.cacheWriteTokens,
  costMicros: 0,
});

/** Deeper than anything that a program writes; what walks through it later must not run out of stack. */
const DEEPEST = 64;

function withoutDepth(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEEPEST) return null;
  if (Array.isArray(value)) return value.map((part) => withoutDepth(part, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, withoutDepth(part, depth + 1)]));
}
