export { type AnswerSink, Forwarding, type ForwardedCall } from './forwarding.js';
export { normalizeBaseUrl } from './base-url.js';
export { Routing } from './routing.js';
export { type Candidate, type Upstream, type UpstreamKind } from './upstream.js';
export { UpstreamDirectory } from './upstream-directory.js';
export { UpstreamsModule } from './upstreams.module.js';
export { type UpstreamInput, type UpstreamRow, UpstreamsService } from './upstreams.service.js';
export { UpstreamCredentials } from './upstream-credentials.js';
export { probeUpstream, type UpstreamProbe } from './upstream-probe.js';
