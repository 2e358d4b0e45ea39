export { Alert, ALERT_TYPES, AlertList, type AlertSeverity, type AlertType, ListAlertsQuery } from './alerts.js';
export { AuditEntry, AuditEntryList, AuditVerification, ListAuditQuery, VerifyAuditQuery } from './audit.js';
export { CACHE_DROP_CAUSES, CacheDrop, CacheHealth, CacheHealthQuery } from './cache-health.js';
export {
  ChangeConfigQuery,
  CONFIG_KINDS,
  CONFIG_LISTS,
  ConfigApplied,
  ConfigDiff,
  ConfigDocument,
  ConfigDrift,
  configJsonSchema,
  type ConfigKey,
  type ConfigKind,
  type ConfigList,
  type ConfigModel,
  type ConfigStep,
  type ConfigUpstream,
  type ConfigWebhook,
  ExportConfigQuery,
  KEEP,
  REFERENCE,
} from './config.js';
export { BeginErasure, Erasure, ErasureList } from './erasures.js';
export { BodyPolicy, compilePattern, EraseBodiesQuery, ErasedBodies, Redaction, RequestBody } from './bodies.js';
export { ExplainCheck, ExplainRequest, Explanation } from './explain.js';
export { CEILING_MISSING, CreateGroup, Group, GroupCheck, GroupCheckQuery, GroupList, UpdateGroup } from './groups.js';
export { fieldErrors, type SchemaIssue } from './field-errors.js';
export { fromPublicId, type IdKind, idOf, publicIdOf, toPublicId } from './ids.js';
export { CreateKey, IssuedKey, Key, KeyList, ListKeysQuery, RotateKey, UpdateKey } from './keys.js';
export { ModelLimits, PlanWindow } from './limits.js';
export {
  AddLedgerEntry,
  Balance,
  BalanceList,
  balanceOwner,
  type BalanceOwner,
  LedgerEntry,
  LedgerEntryList,
  ListLedgerEntriesQuery,
} from './ledger.js';
export { LiveGap, LiveRequestsQuery, OpenRequest, OpenRequestList } from './live-requests.js';
export { CreateModel, Model, ModelList, UpdateModel } from './models.js';
export { type Page, PageQuery } from './page.js';
export { Problem } from './problem.js';
export { ImportedPrices, ImportPricesQuery, PriceListFile } from './price-import.js';
export { AddPrice, Price, PriceList, type Prices, PricesInput, type TokenPricesInput } from './prices.js';
export { Reconciliation, type ReconciliationCheck, ReconciliationQuery, Status } from './reconciliation.js';
export { Repriced, RepriceRequests } from './repricing.js';
export {
  REQUEST_AMOUNTS,
  REQUEST_FIELDS,
  type RequestAmount,
  type RequestField,
  RequestFilters,
} from './request-filters.js';
export { RequestFacets, RequestFacetsQuery, RequestHistogram, RequestHistogramQuery } from './request-reports.js';
export {
  ExportRequestsQuery,
  ListRequestsQuery,
  Request,
  RequestDetail,
  RequestList,
  type RequestSort,
} from './requests.js';
export {
  ListSessionsQuery,
  Session,
  SessionDetail,
  SessionId,
  SessionList,
  SessionQuery,
  type Turn,
  TurnList,
} from './sessions.js';
export {
  AdminToken,
  AdminTokenList,
  ChangePassword,
  CreateAdminToken,
  CreateOperator,
  CurrentPrincipal,
  DisableTotp,
  EnrolTotp,
  InvitedOperator,
  IssuedAdminToken,
  Operator,
  OperatorList,
  PendingTotp,
  RecoveryCodes,
  SetUp,
  SignIn,
  SignInOptions,
  TotpCode,
  UpdateOperator,
} from './operators.js';
export { type Permission, PERMISSIONS, type Role, ROLE_PERMISSIONS, ROLES } from './permissions.js';
export { Settings, UpdateSettings } from './settings.js';
export { Storage } from './storage.js';
export { CreateUpstream, UpdateUpstream, Upstream, UpstreamHealth, UpstreamList, UpstreamProbe } from './upstreams.js';
export { Usage, UsageQuery } from './usage.js';
export {
  CreateWebhook,
  IssuedWebhook,
  RotateWebhook,
  UpdateWebhook,
  Webhook,
  WebhookDelivery,
  WebhookDeliveryList,
  WebhookList,
} from './webhooks.js';
