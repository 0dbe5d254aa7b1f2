/** A program that is only a server: arguments are the data folder and, optionally, a database; prints its address. */
import { silentLog } from '#base/log.ts';
import { startServer } from '#server/main.ts';

const [dataDir = '', databaseUrl] = process.argv.slice(2);
const options = { dataDir, log: silentLog, version: '0.0.0-test' };
const server = await startServer(databaseUrl === undefined ? options : { ...options, databaseUrl });
process.stdout.write(`${server.url}\n`);
