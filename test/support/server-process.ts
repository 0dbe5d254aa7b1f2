/** A program that is only a server: arguments are the data folder, a database or '', a port; prints its address. */
import { silentLog } from '#base/log.ts';
import { startServer } from '#server/main.ts';

const [dataDir = '', databaseUrl = '', port = '0'] = process.argv.slice(2);
const options = { dataDir, port: Number(port), log: silentLog, version: '0.0.0-test' };
const server = await startServer(databaseUrl === '' ? options : { ...options, databaseUrl });
process.stdout.write(`${server.url}\n`);
