/** What the real Claude Code may do under each policy: by its own rules, then by ours for what it asks. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exists, readIfExists } from '#base/fs.ts';
import { decide } from '#runtime/permissions.ts';
import type { Policy } from '#runtime/policy.ts';
import { type ClaudeScene, choose, claudeScene } from '../support/claude.ts';
import { type Step, script } from '../support/fake-anthropic.ts';

type Deed = (scene: ClaudeScene) => { readonly step: Step; readonly done: () => Promise<boolean> };

const write =
  (...path: readonly string[]): Deed =>
  (scene) => {
    const file_path = join(scene.root, ...path);
    const step = { tool: 'Write', input: { file_path, content: 'text\n' } };
    return { step, done: () => exists(file_path) };
  };

const bash =
  (command: string, file: string): Deed =>
  (scene) => ({
    step: { tool: 'Bash', input: { command } },
    done: () => exists(join(scene.workspace, file)),
  });

const WORKSPACE = ['parent', 'workspace'];
const DEEDS = {
  'write in the workspace': write(...WORKSPACE, 'a.txt'),
  'write a shared document': write(...WORKSPACE, 'aachat/docs/team/project/note/a.md'),
  "write in the agent's own repo": write(...WORKSPACE, 'aachat/agents/ada.mia/memory/a.md'),
  'write outside': write('outside.txt'),
  'write in a denied folder': write('denied', 'b.txt'),
  'append to a shared document by shell': bash('echo x >> aachat/docs/a.md', 'aachat/docs/a.md'),
  'touch by shell': bash('touch touched', 'touched'),
  'our own verb': bash('aachat inbox', ''),
  'our older verb': bash('chat send "hello"', ''),
  'our verb and another command': bash('aachat inbox && touch sneaked', 'sneaked'),
} as const satisfies Record<string, Deed>;
type Name = keyof typeof DEEDS;

/** `free`: done without a person. `asks`: done because a person said yes. `refused`: not done, nobody was asked. */
type Fate = 'free' | 'asks' | 'refused';

const TABLE: Record<Policy, Record<Name, Fate>> = {
  ask: {
    'write in the workspace': 'asks',
    'write a shared document': 'free',
    "write in the agent's own repo": 'free',
    'write outside': 'asks',
    'write in a denied folder': 'refused',
    'append to a shared document by shell': 'free',
    'touch by shell': 'asks',
    'our own verb': 'free',
    'our older verb': 'free',
    'our verb and another command': 'asks',
  },
  'read-only': {
    'write in the workspace': 'refused',
    'write a shared document': 'refused',
    "write in the agent's own repo": 'refused',
    'write outside': 'refused',
    'write in a denied folder': 'refused',
    'append to a shared document by shell': 'refused',
    'touch by shell': 'refused',
    'our own verb': 'free',
    'our older verb': 'free',
    'our verb and another command': 'refused',
  },
  'accept-edits': {
    'write in the workspace': 'free',
    'write a shared document': 'free',
    "write in the agent's own repo": 'free',
    'write outside': 'asks',
    'write in a denied folder': 'refused',
    'append to a shared document by shell': 'free',
    'touch by shell': 'free',
    'our own verb': 'free',
    'our older verb': 'free',
    'our verb and another command': 'free',
  },
  full: {
    'write in the workspace': 'free',
    'write a shared document': 'free',
    "write in the agent's own repo": 'free',
    'write outside': 'free',
    'write in a denied folder': 'refused',
    'append to a shared document by shell': 'free',
    'touch by shell': 'free',
    'our own verb': 'free',
    'our older verb': 'free',
    'our verb and another command': 'free',
  },
};

test.for(Object.entries(TABLE) as [Policy, Record<Name, Fate>][])(
  'policy %s lets through, asks for and refuses what its table says',
  async ([policy, expected]) => {
    await using scene = await claudeScene();
    const scope = {
      workspace: scene.workspace,
      own: [scene.agentDir],
      denied: [join(scene.root, 'denied')],
      exempt: [],
    };
    let asked = false;
    await using claude = await scene.open({
      policy,
      onPermission: async (request) => {
        const ruling = decide(policy, request, scope);
        asked ||= ruling === 'ask';
        return choose(request, ruling === 'reject' ? 'reject_once' : 'allow_once');
      },
    });
    expect(claude.agent.warnings).toEqual([]);
    const fates: [string, Fate][] = [];
    for (const [name, deed] of Object.entries(DEEDS)) {
      const { step, done } = deed(scene);
      asked = false;
      await claude.agent.prompt(script(step, { text: 'Done.' }));
      fates.push([name, !(await done()) ? 'refused' : asked ? 'asks' : 'free']);
    }
    expect(Object.fromEntries(fates)).toEqual(expected);
  },
);

test('a refusal reaches the model, the turn goes on, and the title of a request for the shell is the command line', async () => {
  await using scene = await claudeScene();
  await using claude = await scene.open({ onPermission: async (request) => choose(request, 'reject_once') });
  const path = join(scene.workspace, 'a.txt');
  const outcome = await claude.agent.prompt(
    script({ tool: 'Write', input: { file_path: path, content: 'x' } }, { text: 'I may not.' }),
  );
  expect(outcome).toMatchObject({ kind: 'ended', text: 'I may not.' });
  expect(await exists(path)).toBe(false);
  await claude.agent.prompt(script({ tool: 'Bash', input: { command: 'touch some-file' } }, { text: 'Well.' }));
  expect(claude.asked).toMatchObject([
    { toolKind: 'edit', paths: [path] },
    { toolKind: 'execute', title: 'touch some-file' },
  ]);
});

test('a denied folder cannot be read under any policy', async () => {
  await using scene = await claudeScene();
  await using claude = await scene.open({ policy: 'full' });
  for (const name of ['denied/token.txt', 'sessions/later/token']) {
    const file_path = join(scene.root, name);
    await claude.agent.prompt(
      script(
        { tool: 'Read', input: { file_path } },
        { tool: 'Grep', input: { pattern: '.', path: file_path } },
        { text: 'No.' },
      ),
    );
  }
  expect(scene.api.requests.map(({ raw }) => raw).join('')).not.toContain('DENIED-SECRET');
});

test('a repo that forbids the mode of a policy is reported, and the conversation stays usable', async () => {
  await using scene = await claudeScene({
    '.claude/settings.json': JSON.stringify({ permissions: { disableBypassPermissionsMode: 'disable' } }),
  });
  await using claude = await scene.open({ policy: 'full' });
  expect(claude.agent.warnings).toMatchObject([expect.stringContaining('bypassPermissions')]);
  expect(await claude.agent.prompt(script({ text: 'Still here.' }))).toMatchObject({ text: 'Still here.' });
});

test("a user's own allow rules do not widen the policy", async () => {
  await using scene = await claudeScene();
  await writeFile(
    join(scene.userConfig, 'settings.json'),
    JSON.stringify({ permissions: { allow: ['Bash(touch:*)'] } }),
  );
  await using claude = await scene.open();
  await claude.agent.prompt(script({ tool: 'Bash', input: { command: 'touch widened' } }, { text: 'Tried.' }));
  expect(claude.asked).toHaveLength(1);
  expect(await readIfExists(join(scene.workspace, 'widened'))).toBeUndefined();
});

test('a resumed conversation gets the mode of its policy, not the one it had', async () => {
  await using scene = await claudeScene();
  let conversation = '';
  {
    await using full = await scene.open({ policy: 'full' });
    await full.agent.prompt(script({ tool: 'Bash', input: { command: 'touch first' } }, { text: 'Free.' }));
    expect(full.asked).toEqual([]);
    conversation = full.agent.conversation;
  }
  await using claude = await scene.open({ policy: 'ask', conversation });
  await claude.agent.prompt(script({ tool: 'Bash', input: { command: 'touch second' } }, { text: 'Asked.' }));
  expect(claude.asked).toHaveLength(1);
});
