/** Requests of agents to use a tool: what a policy decides by itself, and how an answer is said to the agent program. */
import { resolve, sep } from 'node:path';
import { isInside, realPlace } from '#base/fs.ts';
import type { PermissionOutcome } from '#contract/permissions.ts';
import type { PermissionAnswer, PermissionRequest } from './agent.ts';
import type { Policy } from './policy.ts';

/** What a session may touch. Absolute paths, without links. */
export interface PermissionScope {
  readonly workspace: string;
  /** Edited without asking under the policies `ask` and `accept-edits`: shared documents, the agent's own repo. */
  readonly own: readonly string[];
  /** Tokens, state, all sessions and their workspaces. Refused under every policy, but for what lies in `exempt`. */
  readonly denied: readonly string[];
  /** Its own places inside a denied folder. Of two that hold a path the deeper one counts. */
  readonly exempt: readonly string[];
}

/** The request with absolute paths, as the file system follows them: a link must not make a foreign file look like an own one. */
export async function resolvePaths(request: PermissionRequest, workspace: string): Promise<PermissionRequest> {
  const paths = await Promise.all(request.paths.map((path) => realPlace(resolve(workspace, path))));
  return { ...request, paths };
}

/**
 * One call of our own program: words, and quotes in which a shell finds nothing to do. Anything more could write files
 * or run something else.
 */
const OWN_COMMAND = /^(aachat|chat)([ \t]+([\w@%+=:,./-]|'[^']*'|"[^"\\$`]*")+)*\s*$/;

/**
 * What the policy says about a request. Agent programs with rules of their own ask only where these leave it open;
 * this is the same table for programs without.
 *
 * @param request its paths resolved by `resolvePaths`
 */
export function decide(policy: Policy, request: PermissionRequest, scope: PermissionScope): 'allow' | 'reject' | 'ask' {
  const { paths } = request;
  const depth = (folders: readonly string[], path: string) =>
    Math.max(0, ...folders.map((folder) => (isInside(folder, path) ? folder.length : 0)));
  if (paths.some((path) => depth(scope.denied, path) > depth(scope.exempt, path))) return 'reject';
  if (policy === 'full') return 'allow';
  if (request.toolKind === 'execute' && OWN_COMMAND.test(request.command ?? '')) return 'allow';
  const isEdit = request.toolKind === 'edit' && paths.length > 0;
  if (policy === 'read-only') return request.toolKind === 'read' || request.toolKind === 'search' ? 'allow' : 'reject';
  // What git keeps there decides what runs: never without a question.
  const touchesGit = paths.some((path) => path.split(sep).includes('.git'));
  if (isEdit && touchesGit) return 'ask';
  if (isEdit && paths.every((path) => scope.own.some((folder) => isInside(folder, path)))) return 'allow';
  if (policy === 'accept-edits' && isEdit && paths.every((path) => isInside(scope.workspace, path))) return 'allow';
  return 'ask';
}

/** Chooses among the options that the program offers by kind, and never one that also covers later requests. */
export function answerFor(request: PermissionRequest, outcome: PermissionOutcome): PermissionAnswer {
  if (outcome === 'cancelled') return { kind: 'cancelled' };
  const want = outcome === 'allowed' ? 'allow_once' : 'reject_once';
  const option = request.options.find(({ kind }) => kind === want);
  // A program that offers no such option gets the answer that does the least.
  return option === undefined ? { kind: 'cancelled' } : { kind: 'selected', optionId: option.id };
}
