/** A running `up` in this process, for a person with one agent or several against a real server. */
import { join } from 'node:path';
import { newId } from '#base/id.ts';
import { type Log, silentLog } from '#base/log.ts';
import type { Clock } from '#base/time.ts';
import { serverAddress } from '#client/address.ts';
import { createHttpClient, type HttpClient } from '#client/http.ts';
import type { Agent } from '#contract/entities.ts';
import { createAgent } from '#runtime/agent-create.ts';
import { openHome } from '#runtime/home.ts';
import { thisMachine } from '#runtime/machine.ts';
import type { PlaceLimits } from '#runtime/places.ts';
import { startUp, type Up, type UpOptions } from '#runtime/supervisor.ts';
import { type Person, type TestServer, testServer } from './server.ts';
import { tempDir } from './temp.ts';

const skillsDir = join(import.meta.dirname, '../../skills');
const support = (name: string) => [process.execPath, join(import.meta.dirname, name)] as const;

export interface UpScene extends AsyncDisposable {
  readonly server: TestServer;
  readonly owner: Person;
  readonly home: ReturnType<typeof openHome>;
  readonly http: HttpClient;
  readonly agents: readonly Agent[];
  /** Starts it; whatever is left of it ends with the scene. */
  start(more?: {
    readonly http?: HttpClient;
    readonly token?: () => Promise<string>;
    /** Arguments of the odd agent; absent: the scripted one. */
    readonly odd?: readonly string[];
    readonly permissionLifetimeMs?: number;
    readonly limits?: Partial<PlaceLimits>;
    readonly pausesOnLimit?: boolean;
    /** By which usage limits end. */
    readonly clock?: Clock;
    readonly sharesTitles?: boolean;
    /** Lines of its log. */
    readonly log?: Log;
    /** Command line of another program. */
    readonly program?: string;
  }): Promise<Up>;
}

export async function upScene(...names: readonly string[]): Promise<UpScene> {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await testServer());
  const dir = stack.use(await tempDir());
  const owner = await server.login('mia');
  const home = openHome(join(dir.path, 'home'));
  const baseUrl = serverAddress(server.url);
  const http = createHttpClient({ baseUrl, token: async () => owner.token });
  const context = { home, http, owner: 'mia', skillsDir, signal: new AbortController().signal };
  const agents: Agent[] = [];
  for (const base of names) {
    const origin = { kind: 'template', description: 'A colleague.', runtime: undefined } as const;
    agents.push((await createAgent(context, { base, origin, clientId: newId() })).agent);
  }
  return {
    server,
    owner,
    home,
    http,
    agents,
    async start(more = {}) {
      const scripted =
        more.odd === undefined ? support('scripted-entry.ts') : [...support('odd-agent.ts'), ...more.odd];
      const options: UpOptions = {
        launcher: {
          home,
          machine: await thisMachine(home.machine),
          serverUrl: baseUrl,
          http: more.http ?? http,
          owner: { id: owner.id, login: 'mia' },
          log: more.log ?? silentLog,
          secrets: new Set(),
          parentEnv: process.env,
          engine: {
            self: support('scripted-entry.ts'),
            scripted: scripted as [string, ...string[]],
            module: [process.execPath],
            root: undefined,
          },
          builtinSkills: skillsDir,
          programSetting: () => more.program ?? 'scripted',
          isTrusted: () => false,
          trustedProgramOf: () => undefined,
          policyOf: async () => 'ask',
        },
        server: baseUrl.origin,
        token: more.token ?? (async () => owner.token ?? ''),
        agents: [],
        team: undefined,
        limits: () => ({ maxSessions: 50, hibernateMs: 0, ...more.limits }),
        pausesOnLimit: () => more.pausesOnLimit ?? true,
        clock: more.clock ?? Date.now,
        sharesTitles: () => more.sharesTitles === true,
        onChange: () => {},
        permissionLifetimeMs: more.permissionLifetimeMs ?? 600_000,
        revive: async () => {},
      };
      const up = await startUp(options);
      stack.defer(() => up.stop(true));
      return up;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
