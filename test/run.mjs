/**
 * Installs the agent programs that tests run, meanwhile checks types and lint, runs every suite, and closes with one line:
 * `N passed, N failed, N skipped`.
 *
 * The memory-only tests answer first. All others run beside each other, so that one that computes takes the core of one
 * that waits.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// Heavy, and nobody needs them who only wants to try the program.
const agents = ['ci', '--prefix', 'test/agents', '--no-audit', '--no-fund', '--loglevel=error'];
const installing = once(spawn('npm', agents, { stdio: ['ignore', 'inherit', 'inherit'] }), 'exit');

const reports = mkdtempSync(join(tmpdir(), 'aachat-reports-'));
const total = { passed: 0, failed: 0, skipped: 0 };

for (const [name, command, ...args] of [
  ['types', 'tsc'],
  ['lint', 'biome', 'ci', '--error-on-warnings', '.'],
]) {
  const { status } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  console.log(`${name}: ${status === 0 ? 'clean' : 'see above'}`);
  total[status === 0 ? 'passed' : 'failed'] += 1;
}
for (const projects of [['unit'], ['int', 'bundle', 'executable']]) {
  if (projects.includes('int') && (await installing)[0] !== 0) {
    console.log('The agent programs of other vendors could not be installed: their tests will fail.');
  }
  const report = join(reports, `${projects[0]}.json`);
  const args = [
    'run',
    ...projects.map((project) => `--project=${project}`),
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
  ];
  const { status } = spawnSync('vitest', args, { stdio: ['ignore', 'inherit', 'inherit'] });
  count(projects.join(', '), report, status);
}
rmSync(reports, { recursive: true, force: true });
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;

function count(suites, report, status) {
  let run;
  try {
    run = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    console.log(`Of ${suites} nothing was reported (exit status ${status}).`);
    total.failed += 1;
    return;
  }
  total.passed += run.numPassedTests;
  total.skipped += run.numPendingTests + run.numTodoTests;
  // A file that could not be loaded has no tests of its own.
  const unloaded = run.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const failed = run.numFailedTests + unloaded;
  // An error outside of any test still fails the run.
  total.failed += status !== 0 && failed === 0 ? 1 : failed;
}
