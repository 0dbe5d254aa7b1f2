/** What a person says to agents, and what these say. */
import { newId } from '#base/id.ts';
import type { HttpClient } from '#client/http.ts';
import type { Agent } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';

type Scene = { readonly http: HttpClient };

const dmOf = async ({ http }: Scene, { name }: Agent) =>
  (await http.call(ROUTES.resolveProject, { query: { name: `dm:${name}` } })).project.id;

/** Says it in the agent's dm. */
export async function tell(scene: Scene, agent: Agent, body: string): Promise<void> {
  const params = { projectId: await dmOf(scene, agent) };
  await scene.http.call(ROUTES.sendMessage, { params, body: { clientId: newId(), body } });
}

/** What the agent has said in its dm. */
export async function answers(scene: Scene, agent: Agent): Promise<readonly string[]> {
  const params = { projectId: await dmOf(scene, agent) };
  const { messages } = await scene.http.call(ROUTES.listMessages, { params, query: {} });
  return messages.filter(({ author }) => author.id === agent.id).map(({ body }) => body);
}
