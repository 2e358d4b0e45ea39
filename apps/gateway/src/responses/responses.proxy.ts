import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { ModelCatalog, UnpricedModels } from '@app/models';
import { errors, type GatewayError, readResponseCall, type ResponseCall } from '@app/protocol';
import { Forwarding, Routing } from '@app/upstreams';
import { CLIENTS_OWN, isClientsOwnCompaction, requireConversation } from '../compaction/compaction-call.js';
import { Compactions } from '../compaction/compactions.js';
import { ContextLimits } from '../compaction/context-limits.js';
import { SealedCalls } from '../compaction/sealed-calls.js';
import { Explainer } from '../explain/explainer.js';
import type { GatewayRequest } from '../http/gateway-request.js';
import { CallLimits } from '../limits/call-limits.js';
import { ModelPermissions } from '../models/model-permissions.js';
import { affinityOf, isCodex } from './affinity.js';
import { AnswerKeeper } from './answer-keeper.js';
import { CacheWatch } from './cache-watch.js';
import { CreatedResponses } from './created-response.js';
import { type CreatingRoute, ForwardedResponse } from './forwarded-response.js';
import { ResponsePump } from './response-pump.js';
import { ResponseReferences } from './response-references.js';
import { type PlacedCall, SessionMoves } from './session-moves.js';
import { UpstreamKnowledge } from './upstream-knowledge.js';

const NO_BODY = Buffer.alloc(0);

/** The way of one call that makes a response, from its bytes in to its bytes out. */
@Injectable()
export class ResponsesProxy {
  // oxlint-disable-next-line max-params -- every station of the way, by name
  constructor(
    private readonly permissions: ModelPermissions,
    private readonly catalog: ModelCatalog,
    private readonly unpriced: UnpricedModels,
    private readonly references: ResponseReferences,
    private readonly routing: Routing,
    private readonly created: CreatedResponses,
    private readonly keeper: AnswerKeeper,
    private readonly explainer: Explainer,
    private readonly callLimits: CallLimits,
    private readonly sealedCalls: SealedCalls,
    private readonly compactions: Compactions,
    private readonly knowledge: UpstreamKnowledge,
    private readonly limits: ContextLimits,
    private readonly moves: SessionMoves,
    private readonly cacheWatch: CacheWatch,
  ) {}

  /**
   * Resolves when the answer's head is written, or the client has left.
   *
   * @throws GatewayError while nothing has been written
   */
  async handle(request: GatewayRequest, reply: FastifyReply, route: CreatingRoute): Promise<void> {
    const { caller, body, headers, record } = request;
    const isEndpoint = route === '/responses/compact';
    record.kind = isEndpoint ? 'compaction' : 'response';
    const sent = readResponseCall(body ?? NO_BODY);
    record.model = sent.model;
    record.stream = sent.stream && !isEndpoint;
    record.sessionId ??= sent.promptCacheKey;
    if (isEndpoint) requireConversation(sent);
    else if (sent.endsInTrigger || isClientsOwnCompaction(headers)) record.kind = 'compaction';

    if (!this.permissions.allows(caller, sent.model)) {
      throw this.refused(errors.modelNotAllowed(sent.model, this.permissions.visibleModels(caller)), request, sent);
    }
    const pricing = this.catalog.pricingOf(sent.model, record.startedAtMs, caller.group, sent.serviceTier);
    if (pricing.unpricedPolicy === 'refuse') {
      this.unpriced.note(sent.model, 'refuse', record.groupId, record.groupName);
      throw this.refused(errors.modelNotPriced(sent.model), request, sent);
    }
    // Its body may have been decoded after it had left.
    if (reply.raw.destroyed) return;
    const waiting = this.callLimits.admit(request, reply, sent);
    if (waiting) await waiting;
    // The record of a client that has left meanwhile is closed.
    if (reply.raw.destroyed) return;
    const opened = this.sealedCalls.opened(sent, caller.group.id);
    const call = opened instanceof Promise ? await opened : opened;
    const held = this.references.holderOf(call, caller.group.id);
    const holderId = held instanceof Promise ? await held : held;
    const made = this.moves.makerOf(call, headers);
    const makerId = made instanceof Promise ? await made : made;
    if (reply.raw.destroyed) return;

    const affinity = affinityOf(call, headers, caller);
    const all = this.routing.candidates({ model: call.model, affinity, holderId, makerId });
    if (all.length === 0) throw this.refused(errors.noUpstream(call.model), request, call);
    const isBound = makerId !== null;
    const placed = isBound
      ? await this.moves.place(request, reply, { call, candidates: all })
      : { call, candidates: all };
    if (reply.raw.destroyed) return;
    if (placed.candidates.length === 0) throw this.refused(errors.encryptedContentMoved(), request, call);

    if (isEndpoint || call.endsInTrigger) {
      this.cacheWatch.compacting(request);
      const form = isEndpoint ? 'endpoint' : 'trigger';
      return this.compactions.answer({ request, ...placed, sentBody: sent.raw, form }, reply);
    }
    if (record.kind === 'compaction') record.compaction = CLIENTS_OWN;
    return this.forward(request, reply, placed, sent);
  }

  /** An ordinary call on its way to those who can answer it. */
  private async forward(
    request: GatewayRequest,
    reply: FastifyReply,
    { call: asked, candidates }: PlacedCall,
    sent: ResponseCall,
  ): Promise<void> {
    const { caller, headers, record } = request;
    const isLimited = this.limits.concerns(request, asked);
    const call = isLimited ? await this.limits.prepare(request, reply, asked, candidates) : asked;
    if (!call || reply.raw.destroyed || reply.raw.writableEnded) return;

    const pricing = this.catalog.pricingOf(call.model, record.startedAtMs, caller.group, call.serviceTier);
    this.cacheWatch.asking(request, sent, call);
    const { keeper } = this;
    const forwarded = new ForwardedResponse(call, headers, '/responses', candidates, this.knowledge);
    const options = {
      requestedModel: call.model,
      isStream: record.stream,
      isCodex: isCodex(headers),
      isDrained: caller.group.onClientLeft === 'drain',
      bodyBytes: call.raw.length,
      pricing,
      rule: this.created.rule({ groupId: caller.group.id, call, pricing, record, isStorable: true }),
    };
    const pump = new ResponsePump(record, reply, options, keeper);
    await pump.run((sink) => new Forwarding(forwarded, sink, this.routing, () => keeper.clock.monotonic()));
  }

  /** The refusal with its reason: in short for the client, in full for the log. */
  private refused(error: GatewayError, { caller, headers, record }: GatewayRequest, call: ResponseCall): GatewayError {
    const isMove = error.code === 'invalid_encrypted_content';
    const detail = 'only an upstream that is not available can read the encrypted_content of the session';
    const checks = isMove ? [{ rule: 'encrypted_content_on_move', passed: false, detail }] : [];
    const explanation = this.explainer.explain(caller, { ...call, headers }, checks);
    record.decision = explanation;
    return explanation.rule === null ? error : error.withRule(explanation.rule);
  }
}
