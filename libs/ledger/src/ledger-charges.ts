/**
 * Common table expressions that charge rows of the log to the prepaid balances of their keys and groups: what was spent, and an entry
 * of the ledger for each balance. As part of the statement that writes the rows: neither is there without the other.
 *
 * Balances are locked in the order of their ids, so that replicas that charge the same ones never wait for each other in a circle.
 *
 * @param kind of the entries
 * @param rows a table expression with `key_id`, `group_id` and `started_at`
 * @param nanoUsd what is charged for one of them
 */
export function ledgerCharges(kind: 'usage' | 'repricing', rows: string, nanoUsd: string): string {
  return `
  charges AS (
    SELECT balance.owner_id, count(*)::int AS requests, sum(charged.nano_usd)::bigint AS nano_usd
    FROM (
      SELECT key_id AS owner_id, started_at, ${nanoUsd} AS nano_usd FROM ${rows}
      UNION ALL SELECT group_id, started_at, ${nanoUsd} FROM ${rows}
    ) charged
    JOIN prepaid_balances balance ON balance.owner_id = charged.owner_id AND charged.started_at >= balance.opened_at
    WHERE charged.nano_usd <> 0 GROUP BY 1 HAVING sum(charged.nano_usd) <> 0
  ), locked_balances AS (
    SELECT owner_id FROM prepaid_balances WHERE owner_id IN (SELECT owner_id FROM charges) ORDER BY owner_id FOR UPDATE
  ), charged_balances AS (
    UPDATE prepaid_balances AS balance SET spent_nano_usd = balance.spent_nano_usd + charges.nano_usd
    FROM locked_balances JOIN charges USING (owner_id) WHERE balance.owner_id = locked_balances.owner_id
    RETURNING balance.owner_id, balance.owner_kind, charges.requests, charges.nano_usd,
      balance.credited_nano_usd - balance.spent_nano_usd AS balance_nano_usd
  ), charge_entries AS (
    INSERT INTO ledger_entries (owner_id, owner_kind, kind, amount_nano_usd, balance_nano_usd, requests)
    SELECT owner_id, owner_kind, '${kind}', -nano_usd, balance_nano_usd, requests FROM charged_balances
  )`;
}
