/**
 * What a running server writes beside its data (`server.json`, readable by its owner only), so that commands of the
 * same user find it again. Pid and start time stand beside these facts and prove that it is still the same process.
 */
import { z } from 'zod';

export const ServerFile = z.object({
  url: z.url(),
  protocol: z.int(),
  version: z.string(),
  /** Bearer token of whoever runs the server; new at every start. It can make invites and read the status, no more. */
  operatorToken: z.string(),
  /** Started by a command that needed it: it ends by itself when nobody does any more. */
  endsWhenIdle: z.boolean(),
});
export type ServerFile = z.infer<typeof ServerFile>;
