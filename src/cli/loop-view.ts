/** How people are told that agents were stopped from waking each other, and what to do about it. */
import type { PairCooldown, Project } from '#contract/entities.ts';
import type { StreamEvent } from '#contract/frames.ts';
import { clockTime } from './output.ts';

type EventData<Type> = Extract<StreamEvent, { readonly type: Type }>['data'];

export const loopText = ({ hopLimit }: Project): string =>
  `agents answered each other ${hopLimit} times: they are stopped until a person says something`;

export function cooldownText({ agents, because, until }: PairCooldown): string {
  const what = because === 'acknowledgement' ? 'only thank each other' : 'repeat themselves to each other';
  return `${agents.join(' and ')} ${what}: such words wake neither of them until ${clockTime(until)}, or until a person says something`;
}

export function budgetText({ agent, retryAt, cancelled }: EventData<'budget.reached'>): string {
  const cut = cancelled ? 'its turn was cancelled before it was done, and ' : '';
  return `${agent.name} has used up its budget: ${cut}what waits for it is answered from ${clockTime(retryAt)} on, or once its owner gives it more: aachat agent budget ${agent.name}`;
}

/** What holds agents back in a project now. */
export const loopLines = (project: Project, now = Date.now()): readonly string[] => [
  ...(project.loopStoppedAt === null ? [] : [loopText(project)]),
  ...project.cooldowns.filter(({ until }) => Date.parse(until) > now).map(cooldownText),
];
