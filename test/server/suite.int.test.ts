/** The promises of the platform, over SQLite. */

import { testServer } from '../support/server.ts';
import { serverSuite } from './suite/all.ts';

serverSuite('sqlite', testServer);
