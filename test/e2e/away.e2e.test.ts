/** A platform that is away for long, and comes back while `up` runs. */
import { expect, test } from 'vitest';
import { CONTROL_ROUTES } from '#contract/control.ts';
import { openControlClient } from '#runtime/control.ts';
import { openHome } from '#runtime/home.ts';
import { openHost, openMachine } from '../soak/world.ts';
import { eventually } from '../support/eventually.ts';

test('sessions that gave up to come up while it was away come up when it is back', async () => {
  await using host = await openHost();
  await using machine = await openMachine(host.port, 'mia', host.bootstrap);
  await machine.home.json('project', 'create', 'launch');
  await machine.home.json('agent', 'create', 'ada');
  await machine.home.json('project', 'assign', 'launch', '--agent', 'ada');
  await machine.startUp();
  const ada = async () => {
    await using control = await openControlClient(openHome(machine.home.path).controlSocket);
    return (await control.call(CONTROL_ROUTES.getStatus, {})).sessions[0];
  };
  await host.kill();
  process.kill((await ada())?.pid ?? 0, 'SIGKILL');
  await eventually('it gives up', async () => (await ada())?.phase === 'failed');
  await host.start();
  await eventually('it is ready', async () => (await ada())?.activity === 'input_ready');
  expect((await ada())?.problem).toBeNull();
});
