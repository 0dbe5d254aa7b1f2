/**
 * Settings: flags over environment over the connected repository over file over defaults; each value knows where it
 * came from. The file is `.state/config.json` in the home.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { z } from 'zod';
import { AachatError } from '#base/errors.ts';
import { readIfExists } from '#base/fs.ts';
import { parseJson } from '#base/json.ts';
import type { ConnectedRepo } from '#runtime/workspaces.ts';
import { isSettingName, SETTINGS } from './settings.ts';

export interface Setting {
  readonly value: string;
  readonly origin: 'environment' | 'repository' | 'file';
}

export interface Config {
  /** As the file is now: a running `up` hears of what is set beside it. */
  get(key: string): Setting | undefined;
  /** Those in the file. */
  keys(): readonly string[];
  /**
   * What other processes set meanwhile stays.
   *
   * @param value undefined: forget it
   */
  set(key: string, value: string | undefined): Promise<void>;
}

const SettingsFile = z.record(z.string(), z.string());

/**
 * @param repo connected by `aachat init`: its server (null: the embedded platform) and team hold inside it
 * @throws AachatError `VALIDATION_ERROR` if the file is damaged
 */
export async function openConfig(
  path: string,
  env: NodeJS.ProcessEnv,
  repo?: Pick<ConnectedRepo, 'server' | 'team'>,
): Promise<Config> {
  // Most homes have no settings: the library, and what it loads, is only needed where there is a file.
  const text = await readIfExists(path);
  if (text !== undefined && !SettingsFile.safeParse(parseJson(text)).success) {
    throw new AachatError('VALIDATION_ERROR', `${path} is damaged: it is not a JSON object of texts.`, {
      hint: 'Mend it, or remove it and set again what you need with `aachat config set`.',
    });
  }
  const open = async () => {
    const { default: Conf } = await import('conf');
    return new Conf<Record<string, string>>({
      cwd: dirname(path),
      configName: basename(path, '.json'),
      accessPropertiesByDotNotation: false,
      configFileMode: 0o600,
      clearInvalidConfig: false,
    });
  };
  // A file that somebody damages while we run has no settings.
  const stored = (): Readonly<Record<string, string>> =>
    existsSync(path) ? (SettingsFile.safeParse(parseJson(readFileSync(path, 'utf8'))).data ?? {}) : {};
  return {
    get(key) {
      const fromEnv = isSettingName(key) ? env[SETTINGS[key].env] : undefined;
      if (fromEnv) return { value: fromEnv, origin: 'environment' };
      if (repo !== undefined && (key === 'server' || key === 'team')) {
        return repo[key] === null ? undefined : { value: repo[key], origin: 'repository' };
      }
      const value = stored()[key];
      return value === undefined ? undefined : { value, origin: 'file' };
    },
    keys: () => Object.keys(stored()),
    async set(key, value) {
      const { withFileLock } = await import('#base/pid-file.ts');
      await withFileLock(path, async () => {
        const target = await open();
        if (value === undefined) target.delete(key);
        else target.set(key, value);
      });
    },
  };
}
