/** `aachat session search`: words in everything that sessions of this machine did. Nothing of it is at the server. */

import { AachatError } from '#base/errors.ts';
import { wordQuery } from '#base/words.ts';
import type { CommandContext } from '#cli/context.ts';
import { clockTime } from '#cli/output.ts';
import { type Page, pageText } from '#cli/paging.ts';
import { shortId } from '#contract/ids.ts';
import type { SessionIndex } from '#runtime/session-index.ts';
import { type Refreshed, type SearchHit, searchSessions, withSessionIndex } from '#runtime/session-search.ts';
import { findLocal } from './session-log.ts';

/** `aachat session search [words...] [--session <session>] [--reindex]` */
export async function search(
  context: CommandContext,
  args: Page & { readonly words: readonly string[]; readonly session?: string; readonly reindex: boolean },
): Promise<void> {
  const { home, output, signal } = context;
  const typed = args.words.join(' ');
  const query = wordQuery(typed);
  if (query === undefined && (typed !== '' || !args.reindex)) {
    throw new AachatError('USAGE', 'There is no word to look for.', {
      hint: 'Give one or more: aachat session search launch date',
    });
  }
  const session = args.session === undefined ? undefined : await findLocal(home, args.session);
  const { limit, offset } = args;
  const use = async (index: SessionIndex, indexed: Refreshed) => {
    const found = (await searchSessions(home, index, typed, { session, limit: limit + 1, offset })) ?? [];
    const words = [...(query?.words ?? []), ...(query?.prefix === undefined ? [] : [query.prefix])];
    const hits = found.slice(0, limit).map((hit) => ({
      sessionId: hit.sessionId,
      agent: hit.agent,
      seq: hit.line.seq,
      at: hit.line.at,
      type: hit.line.type,
      turnId: 'turnId' in hit.line ? hit.line.turnId : null,
      text: excerpt(hit.text, words),
    }));
    const hasMore = found.length > limit;
    const rows = found
      .slice(0, limit)
      .map((hit, at) => [
        shortId(hit.sessionId),
        hit.agent ?? '',
        clockTime(hit.line.at),
        kindOf(hit),
        hits[at]?.text ?? '',
      ]);
    const made = `The index has ${indexed.lines} lines of ${indexed.sessions} sessions.`;
    const text =
      query === undefined ? made : pageText(rows, args, hasMore, 'Nothing that sessions did has these words.');
    if (indexed.unread.length > 0) {
      const which = indexed.unread.map(shortId).join(', ');
      output.note(`A newer aachat wrote the logs of ${which}: what is new in them was not searched.`);
    }
    output.result({ hits, hasMore, indexed }, text);
  };
  const from = args.reindex ? 'scratch' : 'logs';
  await withSessionIndex(home, use, { from, signal, onLong: () => output.note(LONG_INDEX) });
}

/** Said once it takes longer than a moment. */
export const LONG_INDEX = 'Reading the logs of the sessions on this machine …';

function kindOf({ line }: SearchHit): string {
  switch (line.type) {
    case 'turn.prompted':
      return 'prompt';
    case 'permission.asked':
      return 'asks';
    case 'note':
      return 'note';
    case 'problem':
      return 'problem';
    case 'document.lost':
      return 'document';
    default: {
      const kind = line.type === 'update' ? (line.update as { readonly sessionUpdate?: string }).sessionUpdate : '';
      return kind === 'agent_message_chunk' ? 'says' : kind === 'agent_thought_chunk' ? 'thinks' : 'tool';
    }
  }
}

const EXCERPT = 120;

/** What stands around the first of the words, on one line. */
function excerpt(text: string, words: readonly string[]): string {
  const line = text.normalize('NFKC').replace(/\s+/g, ' ').trim();
  const folded = line.toLowerCase();
  const places = words.map((word) => folded.indexOf(word)).filter((place) => place >= 0);
  const from = places.length === 0 ? 0 : Math.max(0, Math.min(...places) - EXCERPT / 3);
  const part = line.slice(from, from + EXCERPT).toWellFormed();
  return `${from > 0 ? '…' : ''}${part}${from + EXCERPT < line.length ? '…' : ''}`;
}
