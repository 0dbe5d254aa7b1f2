/** A program that is only a server: argv is the data folder; prints its address. For tests that kill it. */
import { silentLog } from '#base/log.ts';
import { startServer } from '#server/main.ts';

const [dataDir = ''] = process.argv.slice(2);
const server = await startServer({ dataDir, log: silentLog, version: '0.0.0-test' });
process.stdout.write(`${server.url}\n`);
