export { type BalanceRow, Ledger, type LedgerEntryRow, type LedgerInput } from './ledger.js';
export { ledgerCharges } from './ledger-charges.js';
export { LedgerModule } from './ledger.module.js';
export { findBalances } from './stored-balances.js';
