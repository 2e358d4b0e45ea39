const KEYS_MAX = 500;

interface Waiter<Key, Value> {
  readonly key: Key;
  resolve(value: Value | null): void;
  reject(error: unknown): void;
}

/** Joins look-ups that are made at about the same time into one query, one query at a time: a flood of them costs one connection. */
export class JoinedLookup<Key, Value> {
  private waiting: Waiter<Key, Value>[] = [];
  private isRunning = false;

  /** @param read the values of many keys, in their order, null for those without */
  constructor(private readonly read: (keys: readonly Key[]) => Promise<readonly (Value | null)[]>) {}

  /** @throws whatever `read` throws */
  find(key: Key): Promise<Value | null> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ key, resolve, reject });
      if (!this.isRunning) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, KEYS_MAX);
      try {
        const values = await this.read(batch.map(({ key }) => key));
        for (const [i, { resolve }] of batch.entries()) resolve(values[i] ?? null);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.isRunning = false;
  }
}
