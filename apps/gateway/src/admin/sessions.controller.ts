import { Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import {
  ListSessionsQuery,
  type Page,
  Session,
  SessionDetail,
  SessionId,
  SessionList,
  SessionQuery,
  toPublicId,
  type Turn,
  TurnList,
} from '@app/contract';
import { EVERY_REQUEST, RequestSearch, type SessionRow, SessionSearch } from '@app/journal';
import { formatUsd } from '@app/models';
import { Clock } from '@app/runtime';
import { Permit } from '../identity/permissions.js';
import { OwnKeys } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { page, pageRequest } from './page.js';
import { toRequestFilter, withRange } from './request-query.js';
import { cachedShare } from './cached-share.js';
import { toRequest } from './shown-request.js';
import { toTurn } from './shown-turn.js';

const DEFAULT_RANGE_MS = 7 * 86_400_000;

@AdminController('sessions')
export class SessionsController {
  constructor(
    private readonly sessions: SessionSearch,
    private readonly requests: RequestSearch,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Permit('requests:read', 'own')
  @ApiOperation({
    summary: 'List sessions, last active first',
    description: 'A session is what the requests that the filters find make of it: only they are counted.',
  })
  @ApiOkResponse({ standardSchema: SessionList })
  async list(
    @OwnKeys() ownKeys: readonly string[] | null,
    @Query({ schema: ListSessionsQuery }) query: ListSessionsQuery,
  ): Promise<Page<Session>> {
    const { limit, beforeId } = pageRequest(query, 'request');
    const filter = toRequestFilter(withRange(query, this.clock.now(), DEFAULT_RANGE_MS), ownKeys);
    const rows = await this.sessions.list(filter, { limit, afterId: beforeId });
    return page(rows, query.limit, 'request', toSession);
  }

  @Get(':id')
  @Permit('requests:read', 'own')
  @ApiOperation({ summary: 'Read a session with its requests, oldest first, whenever they were' })
  @ApiOkResponse({ standardSchema: SessionDetail })
  async find(
    @OwnKeys() ownKeys: readonly string[] | null,
    @Param('id', { schema: SessionId }) id: string,
    @Query({ schema: SessionQuery }) query: SessionQuery,
  ): Promise<SessionDetail> {
    const { limit, beforeId } = pageRequest(query, 'request');
    const session = await this.sessions.find(id, ownKeys);
    if (!session) throw AdminProblem.notFound('session');
    const rows = await this.requests.list(
      { ...EVERY_REQUEST, ownKeys, only: { session: [id] } },
      { limit, afterId: beforeId, sort: 'started_at', isDescending: false },
    );
    return { session: toSession(session), ...page(rows, query.limit, 'request', toRequest) };
  }

  @Get(':id/turns')
  @Permit('requests:read', 'own')
  @ApiOperation({
    summary: 'List the turns of a session, oldest first: what each read from the prompt cache',
    description: 'Turns are its requests of kind response whose usage is known.',
  })
  @ApiOkResponse({ standardSchema: TurnList })
  async turns(
    @OwnKeys() ownKeys: readonly string[] | null,
    @Param('id', { schema: SessionId }) id: string,
    @Query({ schema: SessionQuery }) query: SessionQuery,
  ): Promise<Page<Turn>> {
    const { limit, beforeId } = pageRequest(query, 'request');
    const rows = await this.requests.list(
      { ...EVERY_REQUEST, ownKeys, only: { session: [id], kind: ['response'] }, ranges: { input_tokens: { min: 1 } } },
      { limit, afterId: beforeId, sort: 'started_at', isDescending: false },
    );
    if (rows.length === 0 && !(await this.sessions.find(id, ownKeys))) throw AdminProblem.notFound('session');
    return page(rows, query.limit, 'request', toTurn);
  }
}

function toSession(row: SessionRow): Session {
  const [input, cached] = [Number(row.input_tokens), Number(row.cached_tokens)];
  return {
    id: row.session_id,
    first_at: row.first_at.toISOString(),
    last_at: row.last_at.toISOString(),
    last_request_id: toPublicId('request', row.id),
    last_status: row.status,
    last_outcome: row.outcome as Session['last_outcome'],
    key_id: row.key_id && toPublicId('key', row.key_id),
    key_name: row.key_name,
    group_id: row.group_id && toPublicId('group', row.group_id),
    group_name: row.group_name,
    client: row.client,
    keys: Number(row.keys),
    models: row.models,
    requests: Number(row.requests),
    turns: Number(row.turns),
    compactions: Number(row.compactions),
    cache_drops: Number(row.cache_drops),
    errors: Number(row.errors),
    active_ms: Math.round(row.active_ms * 100) / 100,
    input_tokens: input,
    cached_tokens: cached,
    output_tokens: Number(row.output_tokens),
    reasoning_tokens: Number(row.reasoning_tokens),
    cached_share: cachedShare(input, cached),
    cost_usd: formatUsd(row.cost_nano_usd),
  };
}
