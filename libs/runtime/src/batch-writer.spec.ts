import { BatchWriter, type BatchWriterOptions } from './batch-writer.js';

function writer(options: Partial<BatchWriterOptions<number>> = {}): {
  writer: BatchWriter<number>;
  batches: number[][];
} {
  const batches: number[][] = [];
  return {
    batches,
    writer: new BatchWriter<number>({
      write: async (rows) => {
        batches.push([...rows]);
      },
      rowsPerBatchMax: 3,
      delayMs: 1,
      pendingMax: 100,
      onFailure: () => undefined,
      onDropped: () => undefined,
      ...options,
    }),
  };
}

describe('BatchWriter', () => {
  it('writes every row once, in order, in batches of limited size', async () => {
    const { writer: batch, batches } = writer();
    for (let row = 0; row < 10; row++) batch.add(row);
    await batch.flush(1000);
    expect(batches.flat()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(Math.max(...batches.map((rows) => rows.length))).toBe(3);
    expect(batch.pendingRows).toBe(0);
  });

  it('writes the same rows again after a failure, and loses none', async () => {
    const written: number[] = [];
    let failures = 2;
    const { writer: batch } = writer({
      write: async (rows) => {
        if (failures-- > 0) throw new Error('away');
        written.push(...rows);
      },
    });
    for (let row = 0; row < 5; row++) batch.add(row);
    await batch.flush(5000);
    expect(written).toEqual([0, 1, 2, 3, 4]);
  });

  it('keeps rows that arrive during a write for the next one', async () => {
    const batches: number[][] = [];
    let isFirst = true;
    const { writer: batch } = writer({
      write: async (rows) => {
        batches.push([...rows]);
        if (isFirst) batch.add(99);
        isFirst = false;
      },
    });
    batch.add(1);
    await batch.flush(1000);
    expect(batches).toEqual([[1], [99]]);
  });

  it('holds a limited number of rows while writing fails: the oldest go first, and are counted', async () => {
    let dropped = 0;
    const { writer: batch } = writer({
      pendingMax: 20,
      write: () => Promise.reject(new Error('away')),
      onDropped: (rows) => (dropped += rows),
    });
    for (let row = 0; row < 50; row++) batch.add(row);
    expect(batch.pendingRows).toBeLessThanOrEqual(20);
    expect(dropped + batch.pendingRows).toBe(50);
    await batch.flush(1);
  });

  it('gives up flushing when its time is over', async () => {
    const { writer: batch } = writer({ write: () => Promise.reject(new Error('away')) });
    batch.add(1);
    await batch.flush(30);
    expect(batch.pendingRows).toBe(1);
  });
});
