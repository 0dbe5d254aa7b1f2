/** This computer, as the server knows it. */
import { hostname } from 'node:os';
import { z } from 'zod';
import { readIfExists, writePrivate } from '#base/fs.ts';
import { newId } from '#base/id.ts';
import { MachineId } from '#contract/ids.ts';

const MachineFile = z.object({ id: MachineId, name: z.string().min(1).max(100) });
export type ThisMachine = z.infer<typeof MachineFile>;

/** Reads the id of this machine from `path`; makes one the first time. */
export async function thisMachine(path: string): Promise<ThisMachine> {
  const text = await readIfExists(path);
  if (text !== undefined) {
    const known = MachineFile.safeParse(JSON.parse(text));
    if (known.success) return known.data;
  }
  const machine: ThisMachine = { id: newId<MachineId>(), name: hostname().slice(0, 100) || 'this machine' };
  await writePrivate(path, `${JSON.stringify(machine)}\n`);
  return machine;
}
