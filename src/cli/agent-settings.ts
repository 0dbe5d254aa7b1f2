/**
 * What a person has decided about each of their agents: `agents.<agent>.policy`, `.trust` and `.program` in the
 * settings; about a session of one, `sessions.<id>.policy`; and about requests of all.
 */
import { AachatError } from '#base/errors.ts';
import type { Session } from '#contract/entities.ts';
import type { SessionId } from '#contract/ids.ts';
import { POLICIES, type Policy } from '#runtime/policy.ts';
import type { Config } from './config.ts';
import { formProblem } from './settings.ts';

const keyOf = (agent: string, what: 'policy' | 'trust' | 'program'): string => `agents.${agent}.${what}`;

/** A setting that nobody can read any more falls back to the policy that asks. */
export function policyOf(config: Config, agent: string): Policy {
  return policyAt(config, keyOf(agent, 'policy')) ?? 'ask';
}

function policyAt(config: Config, key: string): Policy | undefined {
  const value = config.get(key)?.value;
  return value === undefined ? undefined : (POLICIES.find((policy) => policy === value) ?? 'ask');
}

const sessionKey = (id: SessionId): string => `sessions.${id}.policy`;
const isSessionKey = (key: string): boolean => key.startsWith('sessions.');

/** What was decided for this session alone; undefined: it has the policy of its agent. */
export const ownPolicyOf = (config: Config, id: SessionId): Policy | undefined => policyAt(config, sessionKey(id));

/** @param policy undefined: that of its agent again */
export const setSessionPolicy = (config: Config, id: SessionId, policy: Policy | undefined): Promise<void> =>
  config.set(sessionKey(id), policy);

/** The stricter ones first. */
const STRICTNESS: readonly Policy[] = ['read-only', 'ask', 'accept-edits', 'full'];

type Descendant = Pick<Session, 'id' | 'agent' | 'parentId' | 'forkedFromId'>;
/** Reads a session that another one comes from; undefined: it is not known any more. */
export type FindOrigin = (id: SessionId) => Promise<Descendant | undefined>;

/**
 * What was decided for a session alone: for itself, or for one that it comes from, however far back. One that another
 * session made is never freer than that one was told to be, nor than its own agent is.
 *
 * @returns undefined: nothing, it has the policy of its agent
 */
export async function decidedFor(config: Config, session: Descendant, find: FindOrigin): Promise<Policy | undefined> {
  const own = ownPolicyOf(config, session.id);
  if (own !== undefined || !config.keys().some(isSessionKey)) return own;
  const inherited: Policy[] = [];
  for (const id of [session.parentId, session.forkedFromId]) {
    if (id === null) continue;
    const origin = ownPolicyOf(config, id) === undefined ? await find(id) : undefined;
    const policy = origin === undefined ? ownPolicyOf(config, id) : await decidedFor(config, origin, find);
    if (policy !== undefined) inherited.push(policy);
  }
  if (inherited.length === 0) return undefined;
  return STRICTNESS.find((one) => inherited.includes(one) || one === policyOf(config, session.agent));
}

/** The policy of a session that starts. What it takes over holds for it once and for good. */
export async function sessionPolicyOf(config: Config, session: Descendant, find: FindOrigin): Promise<Policy> {
  const decided = await decidedFor(config, session, find);
  if (decided === undefined) return policyOf(config, session.agent);
  if (decided !== ownPolicyOf(config, session.id)) await setSessionPolicy(config, session.id, decided);
  return decided;
}

export const setPolicy = (config: Config, agent: string, policy: Policy): Promise<void> =>
  config.set(keyOf(agent, 'policy'), policy);

/** Whether it may obey settings files of the repos that it works in. */
export const isTrusted = (config: Config, agent: string): boolean => config.get(keyOf(agent, 'trust'))?.value === 'yes';

export const setTrusted = (config: Config, agent: string, trusted: boolean): Promise<void> =>
  config.set(keyOf(agent, 'trust'), trusted ? 'yes' : undefined);

/** The program of its own repo that it may run, word for word. */
export const trustedProgramOf = (config: Config, agent: string): string | undefined =>
  config.get(keyOf(agent, 'program'))?.value;

export const setTrustedProgram = (config: Config, agent: string, program: string | undefined): Promise<void> =>
  config.set(keyOf(agent, 'program'), program);

/** All of it was for this agent, and not for the next one of its name. */
export async function forgetAgent(config: Config, agent: string): Promise<void> {
  for (const key of config.keys()) if (key.startsWith(`agents.${agent}.`)) await config.set(key, undefined);
}

/** @throws AachatError `VALIDATION_ERROR` if what is set is no number of minutes */
export function permissionMinutes(config: Config): number {
  const value = config.get('permissionMinutes')?.value ?? '15';
  const problem = formProblem('permissionMinutes', value);
  if (problem === undefined) return Number(value);
  throw new AachatError('VALIDATION_ERROR', problem, { hint: 'Run `aachat config set permissionMinutes 15`.' });
}
