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

/** What was decided for this session alone; undefined: it has the policy of its agent. */
export const ownPolicyOf = (config: Config, id: SessionId): Policy | undefined => policyAt(config, sessionKey(id));

/** @param policy undefined: that of its agent again */
export const setSessionPolicy = (config: Config, id: SessionId, policy: Policy | undefined): Promise<void> =>
  config.set(sessionKey(id), policy);

/** The stricter ones first. */
const STRICTNESS: readonly Policy[] = ['read-only', 'ask', 'accept-edits', 'full'];

/**
 * The policy of a session. One that another session made is never freer than that one was told to be: it takes over
 * what was decided for it, once and for good, unless its own agent is held to less.
 */
export async function sessionPolicyOf(
  config: Config,
  session: Pick<Session, 'id' | 'agent' | 'parentId' | 'forkedFromId'>,
): Promise<Policy> {
  const own = ownPolicyOf(config, session.id);
  if (own !== undefined) return own;
  const origin = session.parentId ?? session.forkedFromId;
  const inherited = origin === null ? undefined : ownPolicyOf(config, origin);
  const general = policyOf(config, session.agent);
  if (inherited === undefined) return general;
  const policy = STRICTNESS.find((one) => one === inherited || one === general) ?? general;
  await setSessionPolicy(config, session.id, policy);
  return policy;
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
