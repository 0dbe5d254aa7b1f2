/** What people write when they mean somebody's repo. */
import { resolve } from 'node:path';
import { AachatError } from '#base/errors.ts';
import { exists } from '#base/fs.ts';
import { RepoUrl } from '#contract/entities.ts';
import { toBase } from '#contract/ids.ts';

/** `owner/repo`, as GitHub has them. */
const SHORT = /^[A-Za-z0-9][A-Za-z0-9-]*\/[A-Za-z0-9._-]+$/;
/** `scheme://…`, or `user@host:path` as SSH has it. */
const ADDRESS = /^([A-Za-z][A-Za-z0-9+.-]*:\/\/|[^/\s:]+:)./;

/**
 * @param text an address, a path, or `owner/repo`; a path that exists wins
 * @returns an address that git takes; paths become absolute
 * @throws AachatError `USAGE` for anything else, and for an address that holds a token
 */
export async function findSource(text: string, cwd: string): Promise<string> {
  const path = resolve(cwd, text);
  if (text !== '' && (await exists(path))) {
    const hasOne = async (...names: string[]) =>
      (await Promise.all(names.map((name) => exists(resolve(path, name))))).includes(true);
    if (await hasOne('shallow', '.git/shallow')) {
      throw new AachatError('USAGE', `${path} has only a part of its history.`, {
        hint: 'Run `git fetch --unshallow` there, or name the repo that it came from.',
      });
    }
    if (await hasOne('HEAD', '.git')) return path;
    throw new AachatError('USAGE', `${path} is no git repository.`, {
      hint: 'Run `git init` there and commit its files, or name another one.',
    });
  }
  const parsed = RepoUrl.safeParse(SHORT.test(text) ? `https://github.com/${text}` : text);
  if (parsed.success && ADDRESS.test(parsed.data)) return parsed.data;
  if (ADDRESS.test(text)) {
    throw new AachatError('USAGE', parsed.error?.issues[0]?.message ?? 'That is no address of a repository.', {
      hint: 'Give the address alone, and leave the login to git: `git config --global credential.helper …`.',
    });
  }
  throw new AachatError('USAGE', `"${text}" is no path that exists, and neither an address nor owner/repo.`, {
    hint: 'aachat agent clone https://host/owner/repo, /path/to/repo, or owner/repo for GitHub',
  });
}

/** First part of an agent's name, from the last part of an address; may be empty. */
export function baseOf(source: string): string {
  const address = source.replace(/\/+$/, '').replace(/\/?\.git$/, '');
  return toBase(address.split(/[/:]/).at(-1) ?? '');
}
