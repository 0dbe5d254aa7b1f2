import { describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import {
  ownPolicyOf,
  permissionMinutes,
  sessionPolicyOf as policyAtStart,
  setPolicy,
  setSessionPolicy,
} from '#cli/agent-settings.ts';
import { type Config, openConfig } from '#cli/config.ts';
import { AgentName, type SessionId } from '#contract/ids.ts';
import type { Policy } from '#runtime/policy.ts';
import { run } from '../support/command.ts';
import { tempDir } from '../support/temp.ts';

const open = async (path: string) => await openConfig(`${path}/config.json`, {});
const ada = AgentName.parse('ada.mia');
const known = new Map<SessionId, ReturnType<typeof session>>();
function session(parentId: SessionId | null = null, forkedFromId: SessionId | null = null) {
  const made = { id: newId<SessionId>(), agent: ada, parentId, forkedFromId };
  known.set(made.id, made);
  return made;
}
const sessionPolicyOf = (config: Config, one: ReturnType<typeof session>) =>
  policyAtStart(config, one, async (id) => known.get(id));

describe('the policy of a session', () => {
  test('is its own, else that of its agent, and nothing else', async () => {
    await using dir = await tempDir();
    const config = await open(dir.path);
    const one = session();
    expect(await sessionPolicyOf(config, one)).toBe('ask');
    await setPolicy(config, ada, 'accept-edits');
    expect(await sessionPolicyOf(config, one)).toBe('accept-edits');
    await setSessionPolicy(config, one.id, 'read-only');
    expect(await sessionPolicyOf(config, one)).toBe('read-only');
    expect(await sessionPolicyOf(config, session())).toBe('accept-edits');
    await setSessionPolicy(config, one.id, undefined);
    expect(await sessionPolicyOf(config, one)).toBe('accept-edits');
    expect(config.keys()).toEqual([`agents.${ada}.policy`]);
  });

  test('goes on in what it makes, and is never freer there than its agent', async () => {
    await using dir = await tempDir();
    const config = await open(dir.path);
    const policies = async (general: Policy, own: Policy): Promise<readonly Policy[]> => {
      await setPolicy(config, ada, general);
      const first = session();
      await setSessionPolicy(config, first.id, own);
      const child = session(first.id);
      const fork = session(null, child.id);
      return [await sessionPolicyOf(config, child), await sessionPolicyOf(config, fork)];
    };
    expect(await policies('full', 'read-only')).toEqual(['read-only', 'read-only']);
    expect(await policies('ask', 'full')).toEqual(['ask', 'ask']);
    expect(await policies('accept-edits', 'accept-edits')).toEqual(['accept-edits', 'accept-edits']);
  });

  test('goes on past sessions that have not started yet', async () => {
    await using dir = await tempDir();
    const config = await open(dir.path);
    await setPolicy(config, ada, 'full');
    const first = session();
    await setSessionPolicy(config, first.id, 'read-only');
    const fork = session(null, first.id);
    const child = session(fork.id);
    expect(await sessionPolicyOf(config, session(child.id))).toBe('read-only');
    expect(await sessionPolicyOf(config, session(session().id))).toBe('full');
  });

  test('that nobody can read any more is the one that asks', async () => {
    await using dir = await tempDir();
    const config: Config = await open(dir.path);
    const one = session();
    await setPolicy(config, ada, 'full');
    await config.set(`sessions.${one.id}.policy`, 'fulll');
    expect(ownPolicyOf(config, one.id)).toBe('ask');
    expect(await sessionPolicyOf(config, one)).toBe('ask');
  });
});

describe('permissionMinutes', () => {
  test('is 15, or what is set; nothing else is taken', async () => {
    await using dir = await tempDir();
    const env = { AACHAT_HOME: dir.path };
    const minutes = async (more = {}) => permissionMinutes(await openConfig(`${dir.path}/.state/config.json`, more));
    expect(await minutes()).toBe(15);
    for (const wrong of ['0', '-1', '1.5', 'soon', '10000']) {
      expect(await run(['config', 'set', 'permissionMinutes', '--', wrong], { env })).toMatchObject({
        status: 2,
        stderr: expect.stringContaining('whole number from 1 to 9999'),
      });
    }
    expect(await run(['config', 'set', 'permissionMinutes', '90'], { env })).toMatchObject({ status: 0 });
    expect(await minutes()).toBe(90);
    await expect(minutes({ AACHAT_PERMISSION_MINUTES: 'x' })).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
  });
});
