/** `aachat env …`: values for the environment names that agents declare. No command ever shows a value. */
import { join } from 'node:path';
import { AachatError, isAachatError } from '#base/errors.ts';
import { exists } from '#base/fs.ts';
import { readSecret } from '#cli/ask.ts';
import type { CommandContext } from '#cli/context.ts';
import { plain, table } from '#cli/output.ts';
import { ROUTES } from '#contract/routes.ts';
import { EnvironmentName, readAgentRepo } from '#runtime/agent-repo.ts';
import { listValues, setValue, type ValuePlace } from '#runtime/declared-environment.ts';
import { findAgent, isCalled } from './agent.ts';

interface Named {
  readonly name: string;
  readonly agent: string | undefined;
}

/** One line of the list. */
interface Row {
  readonly name: string;
  /** Full name; null: for every agent that declares it, though none here does. */
  readonly agent: string | null;
  /** Who declares it: the agent, or nobody on this machine. */
  readonly declared: boolean;
  /** `own`: a value for this agent alone. */
  readonly value: 'set' | 'own' | 'missing';
}

/** `aachat env list [agent]` */
export async function list(context: CommandContext, args: { readonly agent: string | undefined }): Promise<void> {
  const { home, signal, output } = context;
  const { http } = await context.connect();
  const agents =
    args.agent === undefined
      ? (await http.call(ROUTES.listAgents, { query: { scope: 'mine' } }, signal)).agents
      : [await findAgent(context, http, args.agent)];
  const values = await listValues(home.envValues);
  const has = (name: string, agent: string | undefined) =>
    values.some((place) => place.name === name && place.agent === agent);
  const declared = await Promise.all(
    agents.map(async ({ name: agent }): Promise<readonly Row[]> => {
      const names = await declaredBy(context, agent);
      return names.map((name) => {
        const value = has(name, agent) ? 'own' : has(name, undefined) ? 'set' : 'missing';
        return { name, agent, declared: true, value };
      });
    }),
  );
  const known = declared.flat();
  const isDeclared = ({ name, agent }: ValuePlace) =>
    known.some((row) => row.name === name && (agent === undefined || row.agent === agent));
  const idle = values
    .filter((place) => !isDeclared(place) && (args.agent === undefined || place.agent === agents[0]?.name))
    .map(({ name, agent }): Row => {
      return { name, agent: agent ?? null, declared: false, value: agent === undefined ? 'set' : 'own' };
    });
  const rows = [...known, ...idle].sort((a, b) => a.name.localeCompare(b.name));
  output.result({ names: rows }, rows.length === 0 ? 'No agent here declares a name.' : table(rows.map(shown)));
}

/** What the repo of an agent declares, as its visible folder has it. */
async function declaredBy({ home, output }: CommandContext, agent: string): Promise<readonly string[]> {
  const dir = join(home.agents, agent);
  if (!(await exists(dir))) {
    output.note(`${agent} has no folder here yet: what it declares is known after \`aachat up\`.`);
    return [];
  }
  try {
    const { environment, warnings } = await readAgentRepo(dir);
    for (const text of warnings.filter((one) => one.startsWith('environment.yaml'))) output.note(`${agent}: ${text}`);
    return environment;
  } catch (thrown) {
    if (!isAachatError(thrown, 'VALIDATION_ERROR')) throw thrown;
    output.note(`${agent}: ${thrown.message}`);
    return [];
  }
}

const shown = ({ name, agent, declared, value }: Row): readonly string[] => {
  const what = { set: 'set', own: 'set for this agent', missing: `missing: aachat env set ${name}` }[value];
  return [name, agent ?? 'all agents', declared ? what : `${what}, but not declared`];
};

/** `aachat env set <name> [value] [--agent <agent>]` */
export async function set(
  context: CommandContext,
  args: Named & { readonly value: string | undefined },
): Promise<void> {
  const place = await placeOf(context, args);
  const whom = place.agent ?? 'every agent that declares it';
  const value = args.value ?? (await readSecret(context, `Value of ${place.name} for ${whom} (not shown): `));
  if (value === '' || value.includes('\0')) {
    throw new AachatError('USAGE', value === '' ? 'That is no value: it is empty.' : 'A value has no NUL bytes.', {
      hint: `To forget a value: aachat env unset ${place.name}`,
    });
  }
  await setValue(context.home.envValues, place, value);
  context.output.result(
    { name: place.name, agent: place.agent ?? null },
    `${place.name} is set for ${whom}, from the next start of a session on.`,
  );
}

/** `aachat env unset <name> [--agent <agent>]` */
export async function unset(context: CommandContext, args: Named): Promise<void> {
  // Also of an agent that is out of service.
  const places = await listValues(context.home.envValues);
  const isMeant = ({ name, agent }: ValuePlace) =>
    name === args.name && args.agent !== undefined && agent !== undefined && isCalled(agent, args.agent);
  const place = places.find(isMeant) ?? (await placeOf(context, args));
  const whom = place.agent ?? 'all agents';
  if (!(await setValue(context.home.envValues, place, undefined))) {
    throw new AachatError('NOT_FOUND', `${place.name} has no value for ${whom}.`, {
      hint: 'aachat env list shows what has one.',
    });
  }
  context.output.result(
    { name: place.name, agent: place.agent ?? null },
    `${place.name} has no value for ${whom} any more, from the next start of a session on.`,
  );
}

async function placeOf(context: CommandContext, { name, agent }: Named): Promise<ValuePlace> {
  const parsed = EnvironmentName.safeParse(name);
  if (!parsed.success) {
    throw new AachatError('USAGE', `The name ${plain(name)} ${parsed.error.issues[0]?.message ?? 'cannot be used'}.`, {
      hint: 'aachat env list shows the names that your agents declare.',
    });
  }
  if (agent === undefined) return { name, agent };
  const { http } = await context.connect();
  return { name, agent: (await findAgent(context, http, agent)).name };
}
