/** Which projects have agents that are kept from waking each other, for those who ask what runs here. */
import { isAachatError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import type { HttpClient } from '#client/http.ts';
import { listReadableProjects } from '#client/projects.ts';
import type { Project } from '#contract/entities.ts';
import type { StreamEvent } from '#contract/frames.ts';
import type { ProjectId } from '#contract/ids.ts';

export interface StoppedLoops {
  hear(event: StreamEvent): void;
  /** Reads the state of all projects anew; what goes wrong is logged. */
  refresh(): Promise<void>;
  list(): readonly Project[];
}

export function createStoppedLoops(http: HttpClient, log: Log): StoppedLoops {
  let stopped = new Map<ProjectId, Project>();
  return {
    hear(event) {
      if (event.type === 'loop.stopped' || event.type === 'pair.cooled') {
        const { project } = event.data;
        stopped.set(project.id, project);
      } else if (event.type === 'message.created' && event.data.message.author.kind === 'user') {
        stopped.delete(event.data.message.projectId);
      }
    },
    async refresh() {
      try {
        const projects = await listReadableProjects(http);
        stopped = new Map(projects.filter(isStopped).map((project) => [project.id, project]));
      } catch (error) {
        // It is read again with the next connection.
        if (!isAachatError(error, 'SERVER_UNREACHABLE', 'TIMEOUT')) log.warn('loops.not_read', { error });
      }
    },
    list: () => [...stopped.values()].filter(isStopped),
  };
}

const isStopped = ({ loopStoppedAt, cooldowns }: Project): boolean =>
  loopStoppedAt !== null || cooldowns.some(({ until }) => Date.parse(until) > Date.now());
