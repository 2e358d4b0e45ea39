import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ModelCatalog } from '@app/models';
import { errors } from '@app/protocol';
import { type StoredId, StoredResponses } from '@app/stored-responses';
import {
  type Candidate,
  type ForwardedCall,
  Forwarding,
  Routing,
  type Upstream,
  UpstreamDirectory,
} from '@app/upstreams';
import type { GatewayRequest } from '../http/gateway-request.js';
import { isCodex } from '../responses/affinity.js';
import { AnswerKeeper } from '../responses/answer-keeper.js';
import { forwardedHeaders } from '../responses/passed-headers.js';
import { ResponsePump } from '../responses/response-pump.js';
import { StoredAnswer } from './stored-answer.js';
import { storedCall, type StoredKind } from './stored-route.js';

/**
 * The way of a request about a stored response: to the upstream that holds it, if the caller's group owns it. The models that
 * the caller may use do not matter here: the response belongs to the group, which has paid for it.
 */
@Injectable()
export class StoredProxy {
  constructor(
    private readonly stored: StoredResponses,
    private readonly directory: UpstreamDirectory,
    private readonly catalog: ModelCatalog,
    private readonly routing: Routing,
    private readonly keeper: AnswerKeeper,
  ) {}

  /**
   * Resolves when the answer's head is written, or the client has left.
   *
   * @throws GatewayError while nothing has been written
   */
  async handle(request: GatewayRequest, reply: FastifyReply, kind: StoredKind, id: string): Promise<void> {
    const { caller, headers, record, url } = request;
    record.kind = kind;
    const groupId = caller.group.id;
    const found = this.stored.find(groupId, 'response', id);
    const held = found instanceof Promise ? await found : found;
    // The record of a client that has left meanwhile is closed.
    if (reply.raw.destroyed) return;
    if (!held) throw errors.responseNotFound(id);
    record.responseId = id;
    record.model = held.model;
    const upstream = this.holderOf(held, id);
    const { method, route, isStream } = storedCall(kind, id, url);
    record.stream = isStream;

    const model = held.model ?? '';
    const pricing = this.catalog.pricingOf(model, record.startedAtMs, caller.group, null);
    const { stored, keeper } = this;
    const rule = new StoredAnswer({ kind, groupId, id, held, pricing, record, stored });
    const options = {
      requestedModel: model,
      isStream,
      isCodex: isCodex(headers),
      isDrained: false,
      bodyBytes: 0,
      pricing,
      rule,
    };
    const pump = new ResponsePump(record, reply, options, keeper);
    const forwarded = new ForwardedStoredCall(method, route, headers, isStream, [{ upstream, upstreamModel: model }]);
    await pump.run((sink) => new Forwarding(forwarded, sink, this.routing, () => keeper.clock.monotonic()));
  }

  /** What a deleted upstream held is gone; one that is disabled may come back. */
  private holderOf({ upstreamId }: StoredId, id: string): Upstream {
    const upstream = this.directory.find(upstreamId);
    if (upstream) return upstream;
    if (!this.directory.isConfigured(upstreamId)) throw errors.responseNotFound(id);
    throw errors.holderUnavailable('the upstream that holds the response is disabled');
  }
}

/** A request about a stored response, as its holder gets it. */
class ForwardedStoredCall implements ForwardedCall {
  constructor(
    readonly method: ForwardedCall['method'],
    readonly route: string,
    private readonly headers: IncomingHttpHeaders,
    private readonly isStream: boolean,
    readonly candidates: readonly Candidate[],
  ) {}

  headersFor(upstream: Upstream): string[] {
    return forwardedHeaders(this.headers, upstream, { isStream: this.isStream, hasBody: false });
  }

  bodyFor(): null {
    return null;
  }
}
