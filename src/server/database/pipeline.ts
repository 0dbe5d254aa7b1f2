/**
 * Transactions whose statements travel together: what is begun in the same moment is one packet, with the `begin`
 * before it or the `commit` after it. kysely's own transactions wait for each answer before they send the next
 * statement.
 */
import { Socket } from 'node:net';
import {
  type CompiledQuery,
  type DatabaseConnection,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  type PostgresPoolClient,
  PostgresQueryCompiler,
  type QueryResult,
} from 'kysely';
import type { Schema } from './schema.ts';
import type { Transact } from './transact.ts';

/** @param connect takes a client out of the pool */
export function pipelined(connect: () => Promise<PostgresPoolClient>): Transact {
  return async (work) => {
    const client = await connect();
    const transaction = open(client);
    const send = (sql: string) => client.query(sql, []);
    let usable = true;
    try {
      // Nobody waits for it: if it fails, so does everything behind it.
      const begun = send('begin');
      begun.catch(() => {});
      const { result, last } = await work(transaction.q);
      transaction.end();
      const writes = last.map(({ sql, parameters }) => client.query(sql, parameters));
      const outcomes = await Promise.allSettled([begun, ...writes, send('commit')]);
      // The first is the cause of those behind it.
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      const committed = outcomes.at(-1) as PromiseFulfilledResult<{ readonly command: string }>;
      if (committed.value.command !== 'COMMIT') throw new Error('A statement failed, and nobody noticed.');
      return result;
    } catch (thrown) {
      transaction.end();
      // After a failed commit there is nothing to undo, and this does nothing.
      await send('rollback').catch(() => {
        usable = false;
      });
      throw thrown;
    } finally {
      client.release(!usable);
    }
  };
}

/** Statements of one transaction; a straggler must not get into the next one on the same connection. */
function open(client: PostgresPoolClient): { readonly q: Kysely<Schema>; end(): void } {
  let over = false;
  const connection: DatabaseConnection = {
    async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
      if (over) throw new Error('The transaction is over.');
      const { command, rowCount, rows } = await client.query<Row>(sql, parameters);
      return command === 'SELECT' ? { rows } : { rows, numAffectedRows: BigInt(rowCount) };
    },
    streamQuery() {
      throw new TypeError('Results are read as a whole here, not by cursor.');
    },
  };
  const nothing = async () => {};
  const noNesting = async () => {
    throw new TypeError('This is a transaction already.');
  };
  const q = new Kysely<Schema>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createIntrospector: (db) => new PostgresIntrospector(db),
      createQueryCompiler: () => new PostgresQueryCompiler(),
      createDriver: () => ({
        init: nothing,
        acquireConnection: async () => connection,
        beginTransaction: noNesting,
        commitTransaction: noNesting,
        rollbackTransaction: noNesting,
        releaseConnection: nothing,
        destroy: nothing,
      }),
    },
  });
  return {
    q,
    end: () => {
      over = true;
    },
  };
}

/** A socket that holds back what is written in one moment until its end, where its user only holds back a part. */
export class PacketSocket extends Socket {
  override uncork(): void {
    process.nextTick(() => super.uncork());
  }
}
