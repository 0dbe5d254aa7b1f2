import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openConfig } from '#cli/config.ts';
import { tempDir } from '../support/temp.ts';

describe('settings', () => {
  test('a program that runs hears what is set beside it, also where there was no file', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, '.state', 'config.json');
    const running = await openConfig(path, {});
    expect(running.get('agents.ada.policy')).toBeUndefined();
    await (await openConfig(path, {})).set('agents.ada.policy', 'full');
    expect(running.get('agents.ada.policy')).toEqual({ value: 'full', origin: 'file' });
    await writeFile(path, '{ damaged');
    expect(running.get('agents.ada.policy')).toBeUndefined();
  });
});
