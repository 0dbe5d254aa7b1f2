/** What the platform promises, whatever database is below: both engines pass the same suite. */
import { describe } from 'vitest';
import { agentSuite } from './agents.ts';
import { budgetSuite } from './budget.ts';
import { cooldownSuite } from './cooldowns.ts';
import { documentSuite } from './documents.ts';
import { eventSuite } from './events.ts';
import type { Open } from './fixture.ts';
import { loginSuite } from './login.ts';
import { permissionSuite } from './permissions.ts';
import { sessionSuite } from './sessions.ts';
import { talkSuite } from './talk.ts';
import { treeSuite } from './tree.ts';
import { turnSuite } from './turns.ts';

export function serverSuite(engine: string, open: Open): void {
  // Each has a server of its own, and some wait for what it does every ten seconds.
  describe.concurrent('the platform', () => {
    loginSuite(engine, open);
    talkSuite(engine, open);
    agentSuite(engine, open);
    sessionSuite(engine, open);
    treeSuite(engine, open);
    turnSuite(engine, open);
    budgetSuite(engine, open);
    cooldownSuite(engine, open);
    eventSuite(engine, open);
    permissionSuite(engine, open);
    documentSuite(engine, open);
  });
}
