/** Settings of the program. By themselves, because the grammar names them and loads no file of settings. */
export const SETTINGS = {
  server: { env: 'AACHAT_SERVER', what: 'address of the server; unset: the embedded platform on this machine' },
  team: { env: 'AACHAT_TEAM', what: 'team that names are looked up in first' },
  agent: { env: 'AACHAT_AGENT', what: 'agent program: claude, opencode, gemini, codex, scripted, or a command line' },
} as const;

export type SettingName = keyof typeof SETTINGS;
export const isSettingName = (key: string): key is SettingName => Object.hasOwn(SETTINGS, key);
