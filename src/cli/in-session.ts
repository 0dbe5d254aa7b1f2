/** Variables that only a session has. Any of them makes a command act as the agent, whatever else is there. */
const SESSION_MARKS = ['AA_TOKEN_FILE', 'AA_SESSION_ID', 'AACHAT_LEASE'];

export const isInSession = (env: NodeJS.ProcessEnv): boolean => SESSION_MARKS.some((name) => env[name] !== undefined);
