/** The entry of the built-in agent: a program of its own, so that nothing an agent may run starts it. */
import { tmpdir } from 'node:os';
import { runScriptedAgent } from '#runtime/scripted-agent.ts';

await runScriptedAgent(process.stdin, process.stdout, process.env['TMPDIR'] ?? tmpdir());
