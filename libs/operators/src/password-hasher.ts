import { availableParallelism } from 'node:os';
import { Injectable } from '@nestjs/common';
import { hash, verify } from '@node-rs/argon2';

/** OWASP's minimum for argon2id: 19 MiB, two passes. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
/** A hash takes a core for a tenth of a second: the proxy needs the others. */
const AT_ONCE_MAX = Math.max(1, Math.min(2, Math.floor(availableParallelism() / 2)));
const WAITING_MAX = 20;
/** What is checked for somebody who is not there, so that the time tells nobody who is. */
const NOBODY = '$argon2id$v=19$m=19456,t=2,p=1$Bj+2fqQK2vTxJQmbzklbEQ$68tEzr9ZmivD/XXis2FFkt70GH1njP4FHjTvxLmp8CE';

/** More passwords wait to be checked than will be. */
export class TooManyPasswords extends Error {}

/** Hashes and checks passwords, off the event loop, a few at once. */
@Injectable()
export class PasswordHasher {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** @throws TooManyPasswords */
  hash(password: string): Promise<string> {
    return this.inTurn(() => hash(password, COST));
  }

  /** @param stored null: there is none, and it takes as long @throws TooManyPasswords */
  async matches(stored: string | null, password: string): Promise<boolean> {
    const isMatch = await this.inTurn(() => verify(stored ?? NOBODY, password));
    return isMatch && stored !== null;
  }

  private async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= AT_ONCE_MAX) {
      if (this.waiting.length >= WAITING_MAX) throw new TooManyPasswords('too many passwords wait to be checked');
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else this.running++;
    try {
      return await work();
    } finally {
      // Whoever is next takes the place over.
      const next = this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }
}
