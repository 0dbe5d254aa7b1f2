/** What every part of the suite starts from: a server with a small company in it, and readers of its events. */
import { expect } from 'vitest';
import type { StreamEvent } from '#contract/frames.ts';
import type { ServerOptions } from '#server/main.ts';
import { movableClock } from '../../support/clock.ts';
import { addMachine, createAgent, createProject, createTeam, joinProject, joinTeam } from '../../support/company.ts';
import { eventually } from '../../support/eventually.ts';
import type { TestServer, TestSocket } from '../../support/server.ts';

/** Starts a server with a new, empty database. */
export type Open = (options?: Partial<ServerOptions>) => Promise<TestServer>;

/** Every event that a socket was given of a stream, after checking that the batches join without a gap. */
export function eventsOf(socket: TestSocket, stream: string): readonly StreamEvent[] {
  const batches = socket.frames.flatMap((frame) => (frame.type === 'batch' && frame.stream === stream ? [frame] : []));
  for (const [index, batch] of batches.entries()) {
    if (index > 0) expect(batch.from).toBe(batches[index - 1]?.to);
  }
  return batches.flatMap(({ events }) => events);
}

export async function subscribe(socket: TestSocket, stream: string, after: number | null = null): Promise<void> {
  const before = socket.frames.length;
  socket.send({ type: 'subscribe', streams: [{ stream, after }] });
  await eventually('the subscription is live', () =>
    socket.frames.slice(before).some((frame) => frame.type === 'live' && frame.stream === stream),
  );
}

/** Alice owns a team with one project; bob is in the team, not in the project. */
export async function company(open: Open, options?: Partial<ServerOptions>) {
  const server = await open({ clock: movableClock().clock, ...options });
  const alice = await server.login('alice');
  const bob = await server.login('bob');
  const team = await createTeam(alice, 'acme');
  await joinTeam(alice, team, 'bob');
  const project = await createProject(alice, team, 'launch');
  return { server, alice, bob, team, project, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** The same with an agent of alice in the project, and a machine of hers. */
export async function crew(open: Open, options?: Partial<ServerOptions>) {
  const base = await company(open, options);
  const agent = await createAgent(base.alice, 'helper');
  await joinProject(base.alice, base.project, 'helper');
  const machine = await addMachine(base.alice, 'laptop');
  return { ...base, agent, machine };
}
