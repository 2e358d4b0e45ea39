import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ModelCatalog } from '@app/models';
import { errors, readResponseCall } from '@app/protocol';
import { Clock } from '@app/runtime';
import { Forwarding, Routing } from '@app/upstreams';
import { Lifecycle } from '../health/lifecycle.js';
import type { GatewayRequest } from '../http/gateway-request.js';
import { ModelPermissions } from '../models/model-permissions.js';
import { forwardedHeaders } from './passed-headers.js';
import { ResponsePump } from './response-pump.js';

const NO_BODY = Buffer.alloc(0);

/** The way of one `POST /v1/responses`, from its bytes in to its bytes out. */
@Injectable()
export class ResponsesProxy {
  constructor(
    private readonly permissions: ModelPermissions,
    private readonly catalog: ModelCatalog,
    private readonly routing: Routing,
    private readonly clock: Clock,
    private readonly lifecycle: Lifecycle,
  ) {}

  /**
   * Resolves when the answer's head is written, or the client has left.
   *
   * @throws GatewayError while nothing has been written
   */
  async handle({ caller, body, headers, record }: GatewayRequest, reply: FastifyReply): Promise<void> {
    record.kind = 'response';
    const call = readResponseCall(body ?? NO_BODY);
    record.model = call.model;
    record.stream = call.stream;
    record.sessionId ??= call.promptCacheKey;

    if (!this.permissions.allows(caller, call.model)) {
      throw errors.modelNotAllowed(call.model, this.permissions.visibleModels(caller));
    }
    const candidates = this.routing.candidates(call.model);
    if (candidates.length === 0) throw errors.noUpstream(call.model);

    const price = this.catalog.find(call.model)?.price ?? null;
    const pump = new ResponsePump(record, reply, {
      requestedModel: call.model,
      isStream: call.stream,
      price,
      clock: this.clock,
      lifecycle: this.lifecycle,
    });
    const forwarded = { call, route: '/responses', headers: forwardedHeaders(headers, call.stream), candidates };
    await pump.run((sink) => new Forwarding(forwarded, sink, () => this.clock.monotonic()));
  }
}
