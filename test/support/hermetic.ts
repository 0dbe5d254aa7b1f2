/** Setup file of every suite: tests see neither the developer's git settings nor their aachat. */
for (const name of Object.keys(process.env)) {
  if (/^(AACHAT_|AA_|GIT_|ANTHROPIC_|CLAUDE|DATABASE_URL$|npm_config_)/.test(name)) delete process.env[name];
}
process.env['GIT_CONFIG_GLOBAL'] = '/dev/null';
process.env['GIT_CONFIG_SYSTEM'] = '/dev/null';
process.env['GIT_AUTHOR_NAME'] = 'Test';
process.env['GIT_AUTHOR_EMAIL'] = 'test@example.invalid';
process.env['GIT_COMMITTER_NAME'] = 'Test';
process.env['GIT_COMMITTER_EMAIL'] = 'test@example.invalid';
