import { describe, expect, test } from 'vitest';
import { claudeEnvFile, claudeEnvironment, claudeMeta, claudeMode } from '#runtime/claude.ts';
import { POLICIES, type Policy } from '#runtime/policy.ts';

interface Meta {
  readonly systemPrompt: { readonly append: string };
  readonly claudeCode: {
    readonly options: {
      readonly projectConfigRoot: string;
      readonly settingSources: readonly string[];
      readonly strictMcpConfig: boolean;
      readonly settings: { readonly disableAllHooks: boolean; readonly claudeMdExcludes: readonly string[] };
      readonly managedSettings: {
        readonly allowManagedHooksOnly: boolean;
        readonly allowManagedPermissionRulesOnly: boolean;
        readonly permissions: { readonly allow: readonly string[]; readonly deny: readonly string[] };
      };
    };
  };
}

const metaOf = (policy: Policy, identity = 'IDENTITY') =>
  claudeMeta({
    policy,
    configRoot: '/home/mia/aachat/.run/sessions/1/claude',
    workspace: '/home/mia/aachat/.run/workspaces/ada',
    agentDir: '/home/mia/aachat/.run/workspaces/ada/aachat/agents/ada.mia',
    managedText: 'MANAGED',
    identity,
    denied: ['/home/mia/aachat/.run/tokens'],
  }) as unknown as Meta;

describe('the request that opens a conversation', () => {
  test.for(POLICIES)('keeps the settings of the repo out under policy %s', (policy) => {
    const { options } = metaOf(policy).claudeCode;
    expect(options).toMatchObject({
      projectConfigRoot: '/home/mia/aachat/.run/sessions/1/claude',
      strictMcpConfig: true,
      settings: { disableAllHooks: true, disableSkillShellExecution: true },
      managedSettings: { allowManagedHooksOnly: true, allowManagedPermissionRulesOnly: true },
    });
    // A user's own login may live in the user's settings, so that source stays.
    expect(options.settingSources).toEqual(['user', 'project', 'local']);
  });

  test.for(POLICIES)('denies foreign places to file tools under policy %s', (policy) => {
    const { deny } = metaOf(policy).claudeCode.options.managedSettings.permissions;
    for (const rule of ['Read(//home/mia/aachat/.run/tokens/**)', 'Edit(//home/mia/aachat/.run/tokens)']) {
      expect(deny).toContain(rule);
    }
  });

  test('only read-only takes the tools that write away', () => {
    const takesAway = POLICIES.filter((policy) =>
      metaOf(policy).claudeCode.options.managedSettings.permissions.deny.includes('Write'),
    );
    expect(takesAway).toEqual(['read-only']);
    expect(metaOf('read-only').claudeCode.options.managedSettings.permissions.allow).toEqual([
      'Bash(aachat:*)',
      'Bash(chat:*)',
    ]);
  });

  test('instructions of folders above the workspace are left out, its own are not', () => {
    const excluded = metaOf('ask').claudeCode.options.settings.claudeMdExcludes;
    for (const path of ['/CLAUDE.md', '/home/mia/CLAUDE.md', '/home/mia/aachat/.run/workspaces/.claude/CLAUDE.md']) {
      expect(excluded).toContain(path);
    }
    expect(excluded.filter((path) => path.startsWith('/home/mia/aachat/.run/workspaces/ada'))).toEqual([]);
  });

  test('carries our text, then the identity, and no empty lines for an agent without one', () => {
    expect(metaOf('ask').systemPrompt.append).toBe('MANAGED\n\nIDENTITY');
    expect(metaOf('ask', '').systemPrompt.append).toBe('MANAGED');
  });
});

test('each policy has its mode, and only `full` skips questions', () => {
  expect(POLICIES.map(claudeMode)).toEqual(['default', 'default', 'acceptEdits', 'bypassPermissions']);
});

test('the sandbox promise is made for policy `full` as root only', () => {
  const promised = POLICIES.flatMap((policy) =>
    [0, 1000].flatMap((uid) =>
      'IS_SANDBOX' in claudeEnvironment({ policy, envFile: '/e', uid }) ? [[policy, uid]] : [],
    ),
  );
  expect(promised).toEqual([['full', 0]]);
});

test('the shell text quotes whatever a value holds', () => {
  const text = claudeEnvFile({ shimDir: "/it's/bin", own: { AA_AGENT: '$(touch /tmp/x) "\n`id`' } });
  expect(text).toContain(`export PATH='/it'\\''s/bin':"$PATH"\n`);
  expect(text).toContain(`export AA_AGENT='$(touch /tmp/x) "\n\`id\`'\n`);
});
