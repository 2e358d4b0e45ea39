export { CreateGroup, Group, GroupCheck, GroupCheckQuery, GroupList, UpdateGroup } from './groups.js';
export { fromPublicId, type IdKind, idOf, toPublicId } from './ids.js';
export { CreateKey, IssuedKey, Key, KeyList, ListKeysQuery, RotateKey, UpdateKey } from './keys.js';
export { CreateModel, Model, ModelList, UpdateModel } from './models.js';
export { type Page, PageQuery } from './page.js';
export { Problem } from './problem.js';
export { ListRequestsQuery, Request, RequestList } from './requests.js';
export { CreateUpstream, UpdateUpstream, Upstream, UpstreamList, UpstreamProbe } from './upstreams.js';
export { Usage, UsageQuery } from './usage.js';
