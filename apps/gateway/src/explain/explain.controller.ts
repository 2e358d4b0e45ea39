import { Body, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { type ExplainCheck, ExplainRequest, Explanation } from '@app/contract';
import { GroupDirectory, modelRule } from '@app/groups';
import { KeysService } from '@app/keys';
import { Clock } from '@app/runtime';
import { Permit } from '../identity/permissions.js';
import { AdminController } from '../admin/admin.decorators.js';
import { AdminProblem } from '../http/admin-problem.js';
import { type ExplainedCaller, Explainer } from './explainer.js';

/** `POST /admin/v1/explain`: what would become of a call, and why. */
@AdminController('explain')
export class ExplainController {
  constructor(
    private readonly explainer: Explainer,
    private readonly groups: GroupDirectory,
    private readonly keys: KeysService,
    private readonly clock: Clock,
  ) {}

  @Post()
  @Permit('requests:read')
  @HttpCode(200)
  @ApiOperation({ summary: 'Explain what would become of a call: every check in order, and the decision' })
  @ApiOkResponse({ standardSchema: Explanation })
  async explain(@Body({ schema: ExplainRequest }) body: ExplainRequest): Promise<Explanation> {
    const checks: ExplainCheck[] = [];
    const caller = await this.callerOf(body, checks);
    const headers = Object.fromEntries(
      Object.entries(body.headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    const call = { model: body.model, headers, promptCacheKey: body.prompt_cache_key ?? null };
    await this.explainer.askReplicas(caller, body.model);
    return this.explainer.explain(caller, call, checks);
  }

  private async callerOf(body: ExplainRequest, checks: ExplainCheck[]): Promise<ExplainedCaller> {
    if (body.group_id !== undefined) {
      return { keyId: null, group: this.existingGroup(body.group_id), models: null };
    }
    const key = await this.keys.find(body.key_id ?? '');
    if (!key) throw AdminProblem.notFound('key');
    const state = key.revokedAt
      ? 'revoked'
      : key.expiresAt && key.expiresAt.getTime() <= this.clock.now()
        ? 'expired'
        : 'active';
    checks.push({ rule: 'key', passed: state === 'active', detail: `the key ${key.name} is ${state}` });
    return {
      keyId: key.id,
      group: this.existingGroup(key.groupId),
      models: key.models.length > 0 ? modelRule(key.models) : null,
    };
  }

  private existingGroup(id: string) {
    const group = this.groups.find(id);
    if (!group) throw AdminProblem.notFound('group');
    return group;
  }
}
