import { rmSync } from 'node:fs';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { temporaryFolder } from '../support/gateway.js';
import { killRounds } from '../support/kill-rounds.js';
import { FAULTLESS } from '../support/request-ledger.js';
import { wrongTotals } from '../support/usage-totals.js';

let database: TestDatabase;
const dataDir = temporaryFolder();

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(async () => {
  await database.drop();
  rmSync(dataDir, { recursive: true, force: true });
});

describe('a gateway that is killed under load', () => {
  it('leaves one row for every request, with the tokens that its client has seen', async () => {
    const comparison = await killRounds({
      rounds: 3,
      clients: 60,
      killWithinMs: 400,
      env: { DATABASE_URL: database.url, DATA_DIR: dataDir },
      query: (sql) => database.query(sql),
    });
    expect(comparison).toMatchObject(FAULTLESS);
    expect(comparison.wholeCalls).toBeGreaterThan(0);
    expect(comparison.crashRows).toBeGreaterThan(0);
    expect(await wrongTotals(database)).toEqual([]);
  });
});
