import type { IncomingHttpHeaders } from 'node:http';
import type { RequestRecord } from '@app/journal';
import type { ModelPrice } from '@app/models';

/** The body of one answer on its way through the gateway: a stream of events, or JSON. */
export interface Answer {
  /** Takes bytes from the upstream; returns false to hold it back. */
  push(chunk: Buffer): boolean;
  /** The upstream has sent all. */
  end(): void;
  /** Ends an answer that has begun and cannot be finished; `message` is for the client. */
  breakOff(message: string): void;
}

/** Where an answer goes: the client's response. */
export interface ClientSide {
  readonly isHeadSent: boolean;
  readonly needsDrain: boolean;
  /** @param headers names and values in turn, besides those that are passed on */
  writeHead(headers: readonly string[]): void;
  write(bytes: Buffer): boolean;
  /** Ends the response properly, and lets go of the upstream. */
  end(lastBytes?: Buffer): void;
  /** Cuts the connection: for an answer of announced length that will not be reached. */
  destroy(): void;
  /** Answers with an error, while nothing has been written. */
  fail(error: Error): void;
}

/** What both kinds of answers need to know. */
export interface AnswerContext {
  readonly client: ClientSide;
  readonly record: RequestRecord;
  readonly requestedModel: string;
  readonly price: ModelPrice | null;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}
