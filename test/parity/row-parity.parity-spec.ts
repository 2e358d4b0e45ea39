import { writeFileSync } from 'node:fs';
import { Simulator } from '../../apps/simulator/src/simulator.js';
import { TestGateway } from '../support/gateway.js';
import { differing, rowParity } from '../support/row-parity.js';

const { PARITY_REPORT, PARITY_REQUESTS, PARITY_CONCURRENCY, PARITY_FAULTS } = process.env;

jest.setTimeout(3_600_000);

it('clients, rows, totals and the upstream’s books tell the same', async () => {
  const gateway = await TestGateway.start();
  const simulator = await Simulator.start({ exchangesMax: Infinity });
  try {
    const parity = await rowParity(
      { gateway, simulator },
      {
        requests: Number(PARITY_REQUESTS),
        concurrency: Number(PARITY_CONCURRENCY),
        faults: Number(PARITY_FAULTS),
      },
    );
    writeFileSync(PARITY_REPORT ?? '', JSON.stringify(parity));
    expect(differing(parity)).toEqual([]);
  } finally {
    await gateway.stop();
    await simulator.close();
  }
});
