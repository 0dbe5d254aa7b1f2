/** The entry of the built-in agent: a program of its own, which loads nothing else. */
import { tmpdir } from 'node:os';
import { runScriptedAgent } from '#runtime/scripted-agent.ts';

await runScriptedAgent(process.stdin, process.stdout, process.env['TMPDIR'] ?? tmpdir());
