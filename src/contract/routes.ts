/** Every HTTP route of the platform, once. The order is the order of mounting: fixed paths before `:name` ones. */
import * as auth from './routes/auth.ts';
import * as documents from './routes/documents.ts';
import * as messages from './routes/messages.ts';
import * as permissions from './routes/permissions.ts';
import * as sessions from './routes/sessions.ts';
import * as teams from './routes/teams.ts';

export const ROUTES = { ...auth, ...teams, ...messages, ...documents, ...sessions, ...permissions };
export type RouteName = keyof typeof ROUTES;
