/** Starts the scripted agent from source, as the program does by its hidden verb. */
import { runScriptedAgent } from '#runtime/scripted-agent.ts';

await runScriptedAgent(process.stdin, process.stdout, process.env['TMPDIR'] ?? '/tmp');
