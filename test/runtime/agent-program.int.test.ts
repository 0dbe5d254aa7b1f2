import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  type FindOptions,
  findAgentProgram,
  installedPresets,
  ownRules,
  refuseUnknownProgram,
  runtimeYaml,
} from '#runtime/agent-program.ts';
import { type TempDir, tempDir, writeFiles } from '../support/temp.ts';

const SELF = ['/usr/bin/node', '/opt/aachat.js'] as const;
const ENGINE = {
  self: SELF,
  scripted: SELF,
  module: ['/usr/bin/node'],
  root: join(import.meta.dirname, '../..'),
} as const;

const find = (dir: TempDir, more: Partial<FindOptions> = {}) =>
  findAgentProgram({ path: join(dir.path, 'bin'), managedDir: join(dir.path, 'run'), engine: ENGINE, ...more });

async function withProgram(name: string): Promise<TempDir> {
  const dir = await tempDir();
  await writeFiles(dir.path, { [`bin/${name}`]: '#!/bin/sh\n', 'bin/not-executable': '' });
  await chmod(join(dir.path, 'bin', name), 0o755);
  return dir;
}

describe('the agent program', () => {
  test('is the adapter of Claude Code beside us, under our own Node, when nobody says otherwise', async () => {
    await using dir = await tempDir();
    const program = await find(dir);
    expect(program).toMatchObject({ kind: 'claude', command: ['/usr/bin/node', expect.stringMatching(/index\.js$/)] });
    for (const runtimeYaml of [
      'runtime: claude-acp',
      'runtime: claude',
      'runtime: {type: npx, package: "@agentclientprotocol/claude-agent-acp@0.9"}',
    ]) {
      expect(await find(dir, { runtimeYaml })).toEqual(program);
    }
  });

  test('is the one of the setting, which wins over runtime.yaml', async () => {
    await using dir = await withProgram('other');
    const runtimeYaml = 'runtime: {type: binary, command: other, args: [--acp]}';
    expect(await find(dir, { runtimeYaml })).toMatchObject({
      kind: 'acp',
      command: [join(dir.path, 'bin/other'), '--acp'],
    });
    expect(await find(dir, { runtimeYaml, setting: 'scripted' })).toMatchObject({
      kind: 'scripted',
      command: SELF,
    });
    expect(await find(dir, { runtimeYaml, setting: 'claude' })).toMatchObject({ kind: 'claude' });
    expect(await find(dir, { setting: 'other  --flag x' })).toMatchObject({
      kind: 'acp',
      command: [join(dir.path, 'bin/other'), '--flag', 'x'],
    });
  });

  test.for([
    ['opencode', 'opencode', ['acp'], 'opencode-ai@1'],
    ['gemini', 'gemini', ['--acp'], '@google/gemini-cli'],
    ['codex', 'codex-acp', [], '@zed-industries/codex-acp@0.9.1'],
  ] as const)('%s is a word that needs no agreement', async ([name, file, args, npm]) => {
    await using dir = await withProgram(file);
    const program = await find(dir, { setting: name });
    expect(program).toMatchObject({
      kind: name,
      command: [join(dir.path, 'bin', file), ...args],
      login: expect.any(String),
      mode: expect.any(String),
    });
    for (const text of [runtimeYaml(name).text, `runtime: {type: npx, package: "${npm}"}`]) {
      expect(await find(dir, { runtimeYaml: text })).toEqual(program);
    }
    refuseUnknownProgram(program, 'ada.mia', undefined);
    expect(ownRules(program, 'ask').warnings).toEqual([]);
    expect((await installedPresets(join(dir.path, 'bin'))).get(name)).toBe(join(dir.path, 'bin', file));
  });

  test('a preset with words of its own is a command line like any other', async () => {
    await using dir = await withProgram('gemini');
    const program = await find(dir, { runtimeYaml: 'runtime: gemini --acp --yolo' });
    expect(program).toMatchObject({ kind: 'acp', declared: 'gemini --acp --yolo' });
    expect(ownRules(program, 'ask').warnings).toEqual([expect.stringContaining('"ask" holds only where it asks')]);
    expect(ownRules(program, 'full').warnings).toEqual([]);
  });

  test('runtime.yaml of a new agent says what was given, and whether its owner must agree to it', async () => {
    await using dir = await withProgram('other');
    const line = '  other   --acp=x#y ';
    const { text, declared } = runtimeYaml(line);
    expect(await find(dir, { runtimeYaml: text })).toMatchObject({
      declared,
      command: [expect.any(String), '--acp=x#y'],
    });
    for (const known of ['claude', 'claude-acp', 'scripted', 'opencode']) {
      expect(runtimeYaml(known)).toEqual({ text: `runtime: ${known}\n`, declared: undefined });
    }
    expect(() => runtimeYaml(' ')).toThrow(/empty/);
  });

  test.for([
    ['OpenCode, which is not there', { setting: 'opencode' }, 'npm install --global opencode-ai'],
    ['Gemini, which is not there', { runtimeYaml: 'runtime: gemini' }, 'npm install --global @google/gemini-cli'],
    ['a program that is not there', { setting: 'nowhere' }, 'config set agent'],
    ['a file that may not be run', { setting: 'not-executable' }, 'config set agent'],
    ['a relative path, which the workspace could choose', { setting: './bin/other' }, 'config set agent'],
    ['an empty setting', { setting: ' ' }, 'config set agent'],
    ['a program that a repo names wrongly', { runtimeYaml: 'runtime: nowhere --acp' }, 'agent repo'],
    ['a binary that a repo names wrongly', { runtimeYaml: 'runtime: {type: binary, command: x}' }, 'agent repo'],
    ['a package that would have to be fetched', { runtimeYaml: 'runtime: {type: npx, package: evil}' }, 'type: binary'],
  ] as const)('refuses %s, with the command that mends it', async ([, options, hint]) => {
    await using dir = await withProgram('other');
    await expect(find(dir, options)).rejects.toMatchObject({
      code: 'AGENT_FAILED',
      hint: expect.stringContaining(hint),
    });
  });

  test('of runtime.yaml starts only after its owner has agreed to that very line', async () => {
    await using dir = await withProgram('other');
    const runtimeYaml = 'runtime: {type: binary, command: other, args: [-c, "id > x"]}';
    const program = await find(dir, { runtimeYaml });
    const line = 'other -c "id > x"';
    expect(() => refuseUnknownProgram(program, 'ada.mia', undefined)).toThrow(line);
    expect(() => refuseUnknownProgram(program, 'ada.mia', 'other -c id')).toThrow(/wants to start a program/);
    refuseUnknownProgram(program, 'ada.mia', line);
    const asWord = await find(dir, { runtimeYaml: 'runtime: other --acp' });
    expect(() => refuseUnknownProgram(asWord, 'ada.mia', undefined)).toThrow('other --acp');
    for (const harmless of ['runtime: claude', 'runtime: scripted']) {
      refuseUnknownProgram(await find(dir, { runtimeYaml: harmless }), 'ada.mia', undefined);
    }
    refuseUnknownProgram(await find(dir, { runtimeYaml, setting: 'other' }), 'ada.mia', undefined);
  });

  test.for(['runtime: [', 'runtime: {type: docker}', 'other: 1'])('refuses runtime.yaml %s', async (runtimeYaml) => {
    await using dir = await tempDir();
    await expect(find(dir, { runtimeYaml })).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      hint: expect.stringContaining('runtime: claude-acp'),
    });
  });
});
