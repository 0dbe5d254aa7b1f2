/** This computer, as the server knows it. */
import { hostname } from 'node:os';
import { z } from 'zod';
import { AachatError } from '#base/errors.ts';
import { readIfExists, writePrivate } from '#base/fs.ts';
import { newId } from '#base/id.ts';
import { parseJson } from '#base/json.ts';
import { MachineId } from '#contract/ids.ts';

const MachineFile = z.object({ id: MachineId, name: z.string().min(1).max(100) });
export type ThisMachine = z.infer<typeof MachineFile>;

/** Reads the id of this machine from `path`; makes one the first time. @throws AachatError `VALIDATION_ERROR` if it is damaged */
export async function thisMachine(path: string): Promise<ThisMachine> {
  const text = await readIfExists(path);
  if (text !== undefined) {
    const known = MachineFile.safeParse(parseJson(text));
    if (known.success) return known.data;
    throw new AachatError('VALIDATION_ERROR', `${path} does not say which machine this is.`, {
      hint: 'Restore it, or remove it: then this counts as a new machine.',
    });
  }
  const machine: ThisMachine = { id: newId<MachineId>(), name: hostname().slice(0, 100) || 'this machine' };
  await writePrivate(path, `${JSON.stringify(machine)}\n`);
  return machine;
}
