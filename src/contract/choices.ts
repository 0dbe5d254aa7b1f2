/** Words that a person chooses from. By themselves, because the grammar of the command line names them and loads no schemas. */

export const PROJECT_STATUSES = ['active', 'planning', 'completed', 'archived'] as const;
export const PROJECT_ROLES = ['admin', 'collaborator', 'viewer'] as const;
export const SESSION_STATES = ['starting', 'running', 'stopped'] as const;
