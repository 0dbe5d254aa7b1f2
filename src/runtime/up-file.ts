/** What a running `up` says of itself to other commands, which need nothing else of it. */
import { z } from 'zod';

/** What stands in `up.json` beside pid and start time. */
export const UpFile = z.object({
  since: z.iso.datetime(),
  server: z.string(),
  /** What it was started for; empty, null: everything. */
  agents: z.array(z.string()).default([]),
  team: z.string().nullable().default(null),
});
export type UpFile = z.infer<typeof UpFile>;
