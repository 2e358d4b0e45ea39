import { Injectable } from '@nestjs/common';
import type { RequestRecord } from '@app/journal';

/** A data-plane request from its arrival to the close of its record. */
export interface RequestInFlight {
  readonly record: RequestRecord;
  /** The client has all that it will get, and the upstream is still read. */
  readonly isClientGone: boolean;
  /** Ends it before its time: the client is told, and the upstream let go. */
  abort(): void;
}

/** The data-plane requests that are open in this process, oldest first. */
@Injectable()
export class RequestsInFlight {
  private readonly all = new Set<RequestInFlight>();

  opened(request: RequestInFlight): void {
    this.all.add(request);
  }

  closed(request: RequestInFlight): void {
    this.all.delete(request);
  }

  has(request: RequestInFlight): boolean {
    return this.all.has(request);
  }

  /** @param id of its record */
  find(id: string): RequestInFlight | undefined {
    for (const request of this.all) if (request.record.id === id) return request;
    return undefined;
  }

  [Symbol.iterator](): IterableIterator<RequestInFlight> {
    return this.all.values();
  }
}
