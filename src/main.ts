/** Reads argv, the environment and signals, which nobody below does; sets the exit code. */
import { AachatError } from '#base/errors.ts';
import type { CommandFacts } from '#cli/context.ts';
import { self } from './self.ts';

const interrupts = new Set<(signal: NodeJS.Signals) => void>();
const abort = new AbortController();

/** Set by SIGTERM and SIGHUP, which ask for the same end as Ctrl+C but report another status. */
let endedBy: number | undefined;
const SIGNAL_STATUS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
for (const signal of Object.keys(SIGNAL_STATUS) as (keyof typeof SIGNAL_STATUS)[]) {
  process.on(signal, () => {
    endedBy = SIGNAL_STATUS[signal];
    if (interrupts.size > 0) for (const listener of interrupts) listener(signal);
    else if (abort.signal.aborted) process.exit(endedBy);
    else abort.abort(new AachatError('CANCELLED', 'Interrupted.'));
  });
}
// A reader that goes away (`aachat … | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
process.stderr.on('error', () => {});

const facts: CommandFacts = {
  argv: process.argv.slice(2),
  env: process.env,
  cwd: process.cwd(),
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  signal: abort.signal,
  onInterrupt: (listener) => {
    interrupts.add(listener);
    return () => interrupts.delete(listener);
  },
  interrupt: () => process.kill(process.pid, 'SIGINT'),
  ...self,
};

const { runCommand } = await import('#cli/exit.ts');
const status = await runCommand(facts);
process.exitCode = endedBy ?? status;
