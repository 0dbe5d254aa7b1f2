/**
 * After a crash, from the next `up` until the session is ready again; and a hibernated session, from a message to its
 * answer. Both against the bare agent program.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { newId } from '#base/id.ts';
import { ROUTES } from '#contract/routes.ts';
import { upIdentity } from '../support/aachat.ts';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp.ts';
import { median, ms, percent, type Row } from './measure.ts';
import { bareAgent, CLAUDE, ownerHttp, SCRIPTED, teamWithRepo, watch, withClaude } from './up.ts';

async function resumeTimes(
  label: string,
  rounds: number,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Row> {
  await using t = await teamWithRepo(1, env);
  await using dir = await tempDir();
  const bareEnv = { ...t.home.env, CLAUDE_CONFIG_DIR: join(dir.path, 'claude') };
  await mkdir(bareEnv.CLAUDE_CONFIG_DIR);
  let up = await t.up();
  await t.send('@a0 hello');
  await t.heard('a0.mia', /./);
  const [ours, bare]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round += 1) {
    let start = performance.now();
    const agent = await bareAgent(command, bareEnv, t.files);
    if (round > 0) bare.push(performance.now() - start);
    await agent.end();
    process.kill(upIdentity(t.home.path).pid, 'SIGKILL');
    await up.ended;
    start = performance.now();
    up = await t.up();
    if (round > 0) ours.push(performance.now() - start);
  }
  const [value, floor] = [median(ours), median(bare)];
  return {
    what: `killed \`up\` → next \`up\` → ready, ${label}, 1,000 files`,
    measured: `${ms(value)}, of it ${percent(floor / value)} the agent's own`,
    floor: `${ms(floor)} bare ACP client`,
    ratio: `+${ms(value - floor)}`,
    aim: '–',
  };
}

export async function resume(rounds: number): Promise<readonly Row[]> {
  const scripted = await resumeTimes('scripted agent', rounds, SCRIPTED, { AACHAT_AGENT: 'scripted' });
  return await withClaude(async (env) => [
    scripted,
    await resumeTimes('Claude Code', Math.min(rounds, 3), CLAUDE, env),
  ]);
}

/** Ends an agent process at once when it has nothing to do. */
const AT_ONCE = { AACHAT_HIBERNATE_MINUTES: '0.001' };

async function wakeTimes(
  label: string,
  rounds: number,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Row> {
  await using t = await teamWithRepo(1, { ...env, ...AT_ONCE });
  await using dir = await tempDir();
  const bareEnv = { ...t.home.env, CLAUDE_CONFIG_DIR: join(dir.path, 'claude') };
  await mkdir(bareEnv.CLAUDE_CONFIG_DIR);
  await t.up();
  const http = await ownerHttp(t.home);
  const { project } = await http.call(ROUTES.resolveProject, { query: { name: 'launch' } });
  const watched = await watch(t.home, project);
  const [ours, bare]: [number[], number[]] = [[], []];
  for (let round = 0; round <= rounds; round += 1) {
    let start = performance.now();
    const agent = await bareAgent(command, bareEnv, t.files);
    await agent.prompt('done');
    if (round > 0) bare.push(performance.now() - start);
    await agent.end();
    await eventually('it hibernates', async () => {
      const { sessions } = await http.call(ROUTES.listSessions, { query: { state: 'running' } });
      return sessions[0]?.activity === 'hibernated';
    });
    start = performance.now();
    const answered = watched.next();
    const body = { clientId: newId(), body: '@a0 done' };
    await http.call(ROUTES.sendMessage, { params: { projectId: project.id }, body });
    await answered;
    if (round > 0) ours.push(performance.now() - start);
  }
  await watched.close();
  const [value, floor] = [median(ours), median(bare)];
  return {
    what: `hibernated session: message → answer, ${label}`,
    measured: `${ms(value)}, of it ${percent(floor / value)} the agent's own`,
    floor: `${ms(floor)} bare ACP client`,
    ratio: `+${ms(value - floor)}`,
    aim: '+2,000 ms',
  };
}

export async function wake(rounds: number): Promise<readonly Row[]> {
  const scripted = await wakeTimes('scripted agent', rounds, SCRIPTED, { AACHAT_AGENT: 'scripted' });
  return await withClaude(async (env) => [scripted, await wakeTimes('Claude Code', Math.min(rounds, 3), CLAUDE, env)]);
}
