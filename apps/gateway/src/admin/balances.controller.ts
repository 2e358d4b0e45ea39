import { Body, Delete, Get, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import {
  AddLedgerEntry,
  Balance,
  BalanceList,
  balanceOwner,
  type BalanceOwner,
  LedgerEntry,
  LedgerEntryList,
  ListLedgerEntriesQuery,
  type Page,
  PageQuery,
  toPublicId,
} from '@app/contract';
import { type BalanceRow, Ledger, type LedgerEntryRow } from '@app/ledger';
import { formatUsd, parseUsd } from '@app/models';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { given } from './given.js';
import { page, pageRequest } from './page.js';

/** Prepaid balances of keys and groups, and the ledger of their changes. */
@AdminController('balances')
export class BalancesController {
  constructor(private readonly ledger: Ledger) {}

  @Get()
  @Permit('balances:read')
  @ApiOperation({ summary: 'List prepaid balances, those of the newest keys and groups first' })
  @ApiOkResponse({ standardSchema: BalanceList })
  async list(@Query({ schema: PageQuery }) query: PageQuery): Promise<Page<Balance>> {
    const rows = await this.ledger.list(pageRequest(query, 'key', 'group'));
    return page(rows, query.limit, (row) => row.owner_kind, toBalance);
  }

  @Get(':owner')
  @Permit('balances:read')
  @ApiOperation({ summary: 'Read the balance of a key or a group' })
  @ApiOkResponse({ standardSchema: Balance })
  async find(@Param('owner', { schema: balanceOwner }) owner: BalanceOwner): Promise<Balance> {
    const row = await this.ledger.find(owner);
    if (!row) throw AdminProblem.notFound(`balance: the ${owner.kind} needs none`);
    return toBalance(row);
  }

  @Delete(':owner')
  @Permit('balances:write')
  @ApiOperation({ summary: 'Close a balance: calls need none from now on; answers with the entry of what was left' })
  @ApiOkResponse({ standardSchema: LedgerEntry })
  async close(
    @Actor() actor: string,
    @Param('owner', { schema: balanceOwner }) owner: BalanceOwner,
  ): Promise<LedgerEntry> {
    const closed = await this.ledger.close(actor, owner);
    if (!closed) throw AdminProblem.notFound(`balance: the ${owner.kind} needs none`);
    return toEntry(closed);
  }

  @Get(':owner/entries')
  @Permit('balances:read')
  @ApiOperation({ summary: 'Read the ledger of a key or a group, newest first' })
  @ApiOkResponse({ standardSchema: LedgerEntryList })
  async entries(
    @Param('owner', { schema: balanceOwner }) owner: BalanceOwner,
    @Query({ schema: ListLedgerEntriesQuery }) query: ListLedgerEntriesQuery,
  ): Promise<Page<LedgerEntry>> {
    const { kind, from, to } = query;
    const filter = given({
      kind,
      from: from === undefined ? undefined : new Date(from),
      to: to === undefined ? undefined : new Date(to),
    });
    const rows = await this.ledger.entries(owner, filter, pageRequest(query, 'entry'));
    if (rows.length === 0 && !(await this.ledger.isKnown(owner))) throw AdminProblem.notFound(owner.kind);
    return page(rows, query.limit, 'entry', toEntry);
  }

  @Post(':owner/entries')
  @Permit('balances:write')
  @ApiOperation({ summary: 'Top up a balance, or correct it; the first top-up opens it' })
  @ApiCreatedResponse({ standardSchema: LedgerEntry })
  async add(
    @Actor() actor: string,
    @Param('owner', { schema: balanceOwner }) owner: BalanceOwner,
    @Body({ schema: AddLedgerEntry }) { kind, amount_usd: amount, reason, reference }: AddLedgerEntry,
  ): Promise<LedgerEntry> {
    const amountNanoUsd = amount.startsWith('-') ? -nanoUsdOf(amount.slice(1)) : nanoUsdOf(amount);
    const added = await this.ledger.add(actor, owner, { kind, amountNanoUsd, reason, reference });
    switch (added) {
      case 'no_owner':
        throw AdminProblem.notFound(owner.kind);
      case 'no_balance':
        throw AdminProblem.conflict('There is no balance that could be corrected: a top_up opens one.', 'kind');
      case 'known_reference':
        throw AdminProblem.conflict('There is an entry with this reference already.', 'reference');
      case 'too_much':
        throw AdminProblem.conflict('Not more than a billion USD can be paid in.', 'amount_usd');
      default:
        return toEntry(added);
    }
  }
}

function nanoUsdOf(usd: string): bigint {
  return parseUsd(usd) ?? 0n;
}

function toBalance(row: BalanceRow): Balance {
  const { credited_nano_usd: credited, spent_nano_usd: spent } = row;
  return {
    owner_id: toPublicId(row.owner_kind, row.id),
    owner_kind: row.owner_kind,
    owner_name: row.owner_name,
    balance_usd: formatUsd(credited - spent),
    credited_usd: formatUsd(credited),
    spent_usd: formatUsd(spent),
    opened_at: row.opened_at.toISOString(),
  };
}

function toEntry(row: LedgerEntryRow): LedgerEntry {
  return {
    id: toPublicId('entry', row.id),
    owner_id: toPublicId(row.ownerKind === 'key' ? 'key' : 'group', row.ownerId),
    kind: row.kind as LedgerEntry['kind'],
    amount_usd: formatUsd(row.amountNanoUsd),
    balance_usd: formatUsd(row.balanceNanoUsd),
    requests: row.requests,
    reason: row.reason,
    reference: row.reference,
    actor: row.actor,
    created_at: row.createdAt.toISOString(),
  };
}
