import { once } from 'node:events';
import type { RequestRow } from '@app/journal';
import { EXPORT_FORMATS, exportStream } from './request-export.js';

const ROW = {
  id: '0193f0a0-0000-7000-8000-000000000000',
  started_at: new Date(0),
  route: 'x'.repeat(900),
  cost_nano_usd: null,
  base_cost_nano_usd: null,
  price_multiplier: null,
  price_id: null,
  upstream_attempts: null,
  compaction: null,
};

/** A log that never ends, and that counts what is taken of it. */
class EndlessLog {
  taken = 0;
  isLeft = false;

  async *chunks(failsAt = Infinity): AsyncGenerator<RequestRow[]> {
    try {
      for (;;) {
        if (this.taken === failsAt) throw new Error('the database is away');
        this.taken++;
        yield Array.from({ length: 100 }, () => ROW as unknown as RequestRow);
      }
    } finally {
      this.isLeft = true;
    }
  }
}

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
};

describe('an export', () => {
  it('asks for no more than its reader takes', async () => {
    const log = new EndlessLog();
    const stream = await exportStream(log.chunks(), EXPORT_FORMATS.ndjson);
    await once(stream, 'readable');
    await turns(100);
    expect(log.taken).toBeLessThanOrEqual(2);
    for (let i = 0; i < 10; i++) {
      stream.read();
      await turns(10);
    }
    expect(log.taken).toBeGreaterThan(5);
    expect(log.taken).toBeLessThanOrEqual(13);
    stream.destroy();
  });

  it('asks for nothing more when its reader has left', async () => {
    const log = new EndlessLog();
    const stream = await exportStream(log.chunks(), EXPORT_FORMATS.csv);
    await once(stream, 'readable');
    stream.destroy();
    await once(stream, 'close');
    await turns(10);
    expect(log.isLeft).toBe(true);
  });

  it('fails as a whole when the first question fails, and breaks off when a later one does', async () => {
    await expect(exportStream(new EndlessLog().chunks(0), EXPORT_FORMATS.csv)).rejects.toThrow('the database is away');
    const stream = await exportStream(new EndlessLog().chunks(3), EXPORT_FORMATS.csv);
    const ended = jest.fn();
    stream.on('end', ended).resume();
    const [error] = (await once(stream, 'error')) as [Error];
    expect(error.message).toBe('the database is away');
    expect(ended).not.toHaveBeenCalled();
  });
});
