/** What an agent may do without asking. `full` must be asked for by name. */
export const POLICIES = ['ask', 'read-only', 'accept-edits', 'full'] as const;
export type Policy = (typeof POLICIES)[number];
