/**
 * What a permission request is about. A request names its tool call and may leave out whatever an update has said of
 * that call before, so both are read together. Pure.
 */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { RequestPermissionRequest, SessionUpdate, ToolCallUpdate } from '@agentclientprotocol/sdk';
import { record } from './turn-outcome.ts';

export interface PermissionRequest {
  /** For a shell tool the whole command line. */
  readonly title: string;
  /** The command line itself, if the program says exactly what it will run. */
  readonly command?: string;
  readonly toolKind: string;
  /** As given by the program: absolute, or relative to the workspace. */
  readonly paths: readonly string[];
  readonly options: readonly { readonly id: string; readonly kind: string; readonly name: string }[];
  /** Tells this request from any other one: of the tool, its arguments, and all that was said of the call. */
  readonly digest: string;
}

export interface ToolCalls {
  add(update: SessionUpdate): void;
  /** The request in our words, with all places that the call or the request names. */
  permission(request: RequestPermissionRequest): PermissionRequest;
}

/** The tool calls of one turn. */
export function createToolCalls(): ToolCalls {
  const known = new Map<string, readonly ToolCallUpdate[]>();
  return {
    add(update) {
      if (update.sessionUpdate !== 'tool_call' && update.sessionUpdate !== 'tool_call_update') return;
      known.set(update.toolCallId, [...(known.get(update.toolCallId) ?? []), update]);
    },
    permission({ toolCall, options }) {
      const calls = [...(known.get(toolCall.toolCallId) ?? []), toolCall];
      const paths = [...new Set(calls.flatMap(pathsOf))];
      const toolKind = calls.findLast(({ kind }) => kind != null)?.kind ?? 'other';
      const title = calls.findLast((call) => call.title != null)?.title ?? toolKind;
      const { command } = record(toolCall.rawInput);
      const unsaid =
        typeof command === 'string'
          ? [command].filter((line) => !title.includes(line))
          : paths.filter((path) => toolKind !== 'execute' && !title.includes(basename(path)));
      return {
        title: [title, ...unsaid].join(': '),
        ...(typeof command === 'string' ? { command } : {}),
        toolKind,
        paths,
        options: options.map(({ optionId, kind, name }) => ({ id: optionId, kind, name })),
        digest: createHash('sha256').update(JSON.stringify({ calls, options })).digest('hex'),
      };
    },
  };
}

function pathsOf({ locations, content }: ToolCallUpdate): readonly string[] {
  const changed = content?.flatMap((part) => (part.type === 'diff' ? [part.path] : [])) ?? [];
  return [...(locations?.map(({ path }) => path) ?? []), ...changed];
}
