/** What is said, who was mentioned, what is unread. */
import { z } from 'zod';
import { Message, MessageBody, Party, Project, Via } from '#contract/entities.ts';
import { ClientId, MessageId, ProjectId, Seq } from '#contract/ids.ts';
import { route } from '#contract/route.ts';

const inProject = z.object({ projectId: ProjectId });
const Limit = z.coerce.number().int().min(1).max(200);

/**
 * Posts a message. In a session the author is its agent, and the turn and hop are those of its open turn; the final
 * text of a turn uses the turn's id as `clientId`. `held`: agents that it would wake, were the loop guard not in the way.
 */
export const sendMessage = route({
  method: 'POST',
  path: '/v1/projects/:projectId/messages',
  params: inProject,
  body: z.object({
    clientId: ClientId,
    body: MessageBody,
    via: Via.optional(),
    replyTo: MessageId.optional(),
  }),
  reply: z.object({ message: Message, held: z.array(Party).default([]) }),
});

/** Oldest first. Without `after` the newest `limit` ones, or those before `before`. */
export const listMessages = route({
  method: 'GET',
  path: '/v1/projects/:projectId/messages',
  params: inProject,
  query: z.object({
    after: z.coerce.number().int().min(0).optional(),
    before: z.coerce.number().int().min(0).optional(),
    limit: Limit.default(20),
  }),
  reply: z.object({ messages: z.array(Message), hasMore: z.boolean(), readSeq: Seq }),
});

/** Moves the caller's read cursor forward; backward is ignored. */
export const markRead = route({
  method: 'POST',
  path: '/v1/projects/:projectId/cursor',
  params: inProject,
  body: z.object({ seq: Seq }),
  reply: z.object({ seq: Seq }),
});

/** Projects with something unread, mentions first. Reading does not move a cursor. */
export const getInbox = route({
  method: 'GET',
  path: '/v1/inbox',
  query: z.object({ limit: Limit.default(20) }),
  reply: z.object({
    projects: z.array(
      z.object({
        project: Project,
        unread: z.int().positive(),
        hasMention: z.boolean(),
        /** The oldest `limit` unread ones, oldest first. */
        messages: z.array(Message),
      }),
    ),
  }),
});

/** Messages that mention the caller, newest first. */
export const listMentions = route({
  method: 'GET',
  path: '/v1/mentions',
  query: z.object({ project: ProjectId.optional(), before: MessageId.optional(), limit: Limit.default(20) }),
  reply: z.object({ messages: z.array(Message), hasMore: z.boolean() }),
});

/** Full-text search over what the caller may read, newest first. Every word must occur; the last may be a beginning. */
export const find = route({
  method: 'GET',
  path: '/v1/find',
  query: z.object({
    q: z.string().min(1).max(500),
    project: ProjectId.optional(),
    by: z.string().max(100).optional(),
    before: MessageId.optional(),
    limit: Limit.default(20),
  }),
  reply: z.object({ messages: z.array(Message), hasMore: z.boolean() }),
});
