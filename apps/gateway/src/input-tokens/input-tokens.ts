import { Injectable } from '@nestjs/common';
import { errors, readResponseCall } from '@app/protocol';
import { EstimateUnavailableError, TokenEstimator } from '@app/token-estimate';
import { Routing } from '@app/upstreams';
import { SealedCalls } from '../compaction/sealed-calls.js';
import type { GatewayRequest } from '../http/gateway-request.js';
import { ModelPermissions } from '../models/model-permissions.js';
import { affinityOf } from '../responses/affinity.js';
import { ResponseReferences } from '../responses/response-references.js';
import { UpstreamCount, type UpstreamAnswer } from './upstream-count.js';

const NO_BODY = Buffer.alloc(0);

/** The upstream's own answer, which may be a refusal of the request, or our estimate. */
export type Count = ({ isEstimate: false } & UpstreamAnswer) | { isEstimate: true; inputTokens: number };

/** How many input tokens a call would be: as its upstream counts, and where that does not, estimated. */
@Injectable()
export class InputTokens {
  // oxlint-disable-next-line max-params -- every station of the way, by name
  constructor(
    private readonly permissions: ModelPermissions,
    private readonly references: ResponseReferences,
    private readonly routing: Routing,
    private readonly upstreamCount: UpstreamCount,
    private readonly estimator: TokenEstimator,
    private readonly sealedCalls: SealedCalls,
  ) {}

  /**
   * The API lets a caller leave out the model; here it is needed, as it decides who is asked and whether the caller may.
   *
   * @throws GatewayError
   */
  async of({ caller, body, headers, record }: GatewayRequest): Promise<Count> {
    record.kind = 'input_tokens';
    const sent = readResponseCall(body ?? NO_BODY);
    record.model = sent.model;
    record.sessionId ??= sent.promptCacheKey;
    if (!this.permissions.allows(caller, sent.model)) {
      throw errors.modelNotAllowed(sent.model, this.permissions.visibleModels(caller));
    }
    const call = await this.sealedCalls.opened(sent, caller.group.id);
    const held = this.references.holderOf(call, caller.group.id);
    const holderId = held instanceof Promise ? await held : held;
    const [candidate] = this.routing.candidates({
      model: call.model,
      affinity: affinityOf(call, headers, caller),
      holderId,
      makerId: null,
    });
    if (!candidate) throw errors.noUpstream(call.model);
    const answer = await this.upstreamCount.ask(candidate, call, headers, record);
    if (answer) return { isEstimate: false, ...answer };
    return { isEstimate: true, inputTokens: await this.estimate(call.raw) };
  }

  private async estimate(body: Buffer): Promise<number> {
    try {
      return await this.estimator.estimate(body);
    } catch (error) {
      if (error instanceof EstimateUnavailableError) throw errors.estimateUnavailable(error);
      throw error;
    }
  }
}
