/** What a person has decided about each of their agents: `agents.<agent>.policy`, `.trust` and `.program` in the settings. */
import { POLICIES, type Policy } from '#runtime/policy.ts';
import type { Config } from './config.ts';

const keyOf = (agent: string, what: 'policy' | 'trust' | 'program'): string => `agents.${agent}.${what}`;

/** A setting that nobody can read any more falls back to the policy that asks. */
export function policyOf(config: Config, agent: string): Policy {
  const value = config.get(keyOf(agent, 'policy'))?.value;
  return POLICIES.find((policy) => policy === value) ?? 'ask';
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
