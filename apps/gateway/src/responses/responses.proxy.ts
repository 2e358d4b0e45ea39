import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { CompactionNote } from '@app/journal';
import type { Caller } from '@app/keys';
import { ModelCatalog } from '@app/models';
import { errors, type GatewayError, readResponseCall, type ResponseCall } from '@app/protocol';
import { EncryptedContentOrigins } from '@app/stored-responses';
import { type Candidate, Forwarding, Routing } from '@app/upstreams';
import { isClientsOwnCompaction, requireConversation } from '../compaction/compaction-call.js';
import { Compactions } from '../compaction/compactions.js';
import { SealedCalls } from '../compaction/sealed-calls.js';
import { Explainer } from '../explain/explainer.js';
import type { GatewayRequest } from '../http/gateway-request.js';
import { ModelPermissions } from '../models/model-permissions.js';
import { affinityOf, isCodex } from './affinity.js';
import { AnswerKeeper } from './answer-keeper.js';
import { CreatedResponses } from './created-response.js';
import { type CreatingRoute, ForwardedResponse } from './forwarded-response.js';
import { ResponsePump } from './response-pump.js';
import { ResponseReferences } from './response-references.js';

const NO_BODY = Buffer.alloc(0);
const CLIENTS_OWN: CompactionNote = {
  form: 'client',
  by: 'client',
  tokensBefore: null,
  tokensAfter: null,
  itemsBefore: null,
  itemsAfter: null,
  chunks: null,
  requestId: null,
};

/** The way of one call that makes a response, from its bytes in to its bytes out. */
@Injectable()
export class ResponsesProxy {
  // oxlint-disable-next-line max-params -- every station of the way, by name
  constructor(
    private readonly permissions: ModelPermissions,
    private readonly catalog: ModelCatalog,
    private readonly references: ResponseReferences,
    private readonly origins: EncryptedContentOrigins,
    private readonly routing: Routing,
    private readonly created: CreatedResponses,
    private readonly keeper: AnswerKeeper,
    private readonly explainer: Explainer,
    private readonly sealedCalls: SealedCalls,
    private readonly compactions: Compactions,
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
    const call = this.sealedCalls.opened(sent, caller.group.id);
    const held = this.references.holderOf(call, caller.group.id);
    const holderId = held instanceof Promise ? await held : held;
    const made = this.makerOf(call, headers);
    const makerId = made instanceof Promise ? await made : made;
    // The record of a client that has left meanwhile is closed.
    if (reply.raw.destroyed) return;

    const affinity = affinityOf(call, headers, caller);
    const all = this.routing.candidates({ model: call.model, affinity, holderId, makerId });
    if (all.length === 0) throw this.refused(errors.noUpstream(call.model), request, call);
    const candidates = makerId === null ? all : this.readersOf(call, caller, all);
    if (candidates.length === 0) throw this.refused(errors.encryptedContentMoved(), request, call);

    if (isEndpoint || call.endsInTrigger) {
      const form = isEndpoint ? 'endpoint' : 'trigger';
      return this.compactions.answer({ request, call, sentBody: sent.raw, form, candidates }, reply);
    }
    if (record.kind === 'compaction') record.compaction = CLIENTS_OWN;

    const price = this.catalog.find(call.model)?.price ?? null;
    const { keeper } = this;
    const makers = { origins: this.origins, turnStates: keeper.turnStates };
    const forwarded = new ForwardedResponse(call, headers, '/responses', candidates, makers);
    const options = {
      requestedModel: call.model,
      isStream: record.stream,
      isCodex: isCodex(headers),
      isDrained: caller.group.onClientLeft === 'drain',
      bodyBytes: call.raw.length,
      price,
      rule: this.created.rule({ groupId: caller.group.id, call, price, record, isStorable: true }),
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

  /** The upstream that made what the call carries and only its maker can read: the newest content, else the turn's state. */
  private makerOf(call: ResponseCall, headers: IncomingHttpHeaders): string | null | Promise<string | null> {
    const newest = call.encryptedContents.at(-1);
    return newest
      ? this.origins.find(newest.fingerprint)
      : this.keeper.turnStates.makerOf(headers['x-codex-turn-state']);
  }

  /** Those upstreams that can go on with the session, by their group's policy on what only its maker can read. */
  private readersOf(call: ResponseCall, { group }: Caller, candidates: readonly Candidate[]): readonly Candidate[] {
    const mayStrip = group.encryptedContentOnMove === 'strip';
    const binding = call.encryptedContents.filter(({ itemType }) => !mayStrip || itemType !== 'reasoning');
    const isReader = ({ upstream }: Candidate): boolean =>
      binding.every(({ fingerprint }) => {
        const maker = this.origins.known(fingerprint);
        return maker === null || maker === upstream.id;
      });
    return candidates.filter(isReader);
  }
}
