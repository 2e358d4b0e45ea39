import type { IncomingHttpHeaders } from 'node:http';
import type { RequestRecord } from '@app/journal';
import type { CallPricing } from '@app/models';
import type { GatewayError } from '@app/protocol';
import type { AttemptFailure } from '@app/upstreams';
import type { AnswerRule } from './answer-rule.js';

/** The body of one answer on its way through the gateway: a stream of events, or JSON. */
export interface Answer {
  /** Data events that have passed; what an estimate of the output rests on. */
  readonly eventCount: number;
  /** Takes bytes from the upstream; returns false to hold it back. */
  push(chunk: Buffer): boolean;
  /** The upstream has sent all. */
  end(): void;
  /** Ends an answer that has begun and cannot be finished, with a word to the client. */
  breakOff(failure: AttemptFailure): void;
  /** Keeps the client's connection open while the upstream is silent; false when nothing could be written. */
  keepAlive(): boolean;
  /** Another upstream is asked: nothing of this answer may reach the client any more. */
  discard(): void;
}

/** Where an answer goes: the client's response. */
export interface ClientSide {
  readonly isHeadSent: boolean;
  readonly needsDrain: boolean;
  /** Whether another upstream could be asked in place of this one. */
  readonly canMoveOn: boolean;
  /** @param headers names and values in turn, besides those that are passed on */
  writeHead(headers: readonly string[]): void;
  write(bytes: Buffer): boolean;
  /** Ends the response properly, and lets go of the upstream. */
  end(lastBytes?: Buffer): void;
  /** Cuts the connection: for an answer of announced length that will not be reached. */
  destroy(): void;
  /** Asks another upstream, as long as the client has seen nothing; false when there is none. */
  moveOn(failure: AttemptFailure): boolean;
  /** Answers with an error of ours in place of what the upstream said; it speaks for the upstream's health. */
  refuse(error: GatewayError): void;
  /** The upstream gave no proper answer: another is asked, or the client is told. */
  fail(failure: AttemptFailure): void;
}

/** What all kinds of answers need to know. */
export interface AnswerContext {
  readonly client: ClientSide;
  readonly record: RequestRecord;
  readonly rule: AnswerRule;
  readonly requestedModel: string;
  readonly isCodex: boolean;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
}

/** What a pump is told of the call. */
export interface PumpOptions {
  readonly requestedModel: string;
  readonly isStream: boolean;
  readonly isCodex: boolean;
  /** Read the upstream to its end when the client has left. */
  readonly isDrained: boolean;
  /** Size of the body as the upstream gets it, for estimates. */
  readonly bodyBytes: number;
  readonly pricing: CallPricing;
  readonly rule: AnswerRule;
}
