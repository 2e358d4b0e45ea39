import type { IssuedAdminToken, Permission } from '../../libs/contract/src/index.js';
import { PERMISSIONS, ROLE_PERMISSIONS } from '../../libs/contract/src/index.js';
import type { Issued } from './admin-client.js';
import { eventually } from './eventually.js';
import { ADMIN_TOKEN, type TestGateway } from './gateway.js';
import { OperatorClient } from './operator-client.js';
import { call, callBody } from './responses-client.js';

/** Somebody who calls the admin API. */
export interface Caller {
  name: string;
  headers: Record<string, string>;
  /** null: nobody who is known */
  permissions: ReadonlySet<Permission> | null;
  /** He sees what concerns some keys only. */
  isLimited?: boolean;
  /** What he sends may have been made by a page of another site: he changes nothing. */
  isForged?: boolean;
}

/** A key that has been used. */
export interface UsedKey extends Issued {
  sessionId: string;
  requestIds: string[];
}

const BROWSER = { 'sec-fetch-site': 'same-origin', 'x-tollgate-csrf': '1' };
const EVERYTHING: ReadonlySet<Permission> = new Set(PERMISSIONS);
/** The name of a session that each used key has. */
export const SHARED_SESSION = 'shared-session';

/** A key with traffic of its own, a part of it in a session of a name that other keys use, too. */
export async function useKey(gateway: TestGateway, name: string): Promise<UsedKey> {
  const group = { name: `${name}-group`, body_policy: { capture: 'always' } };
  const key = { name: `${name}-key`, owner: `${name}-person` };
  const issued = await gateway.admin.issueKey({ group, key });
  const sessionId = `${name}-session`;
  const sessions = [sessionId, sessionId, SHARED_SESSION];
  const answers = await Promise.all(
    sessions.map((session) =>
      call(gateway.url, callBody('hi', { stream: false, store: false, prompt_cache_key: `${name}-cache` }), {
        secret: issued.secret,
        headers: { 'session-id': session, 'x-client-request-id': `${name}-client-request` },
      }),
    ),
  );
  const requestIds = answers.map(({ requestId }) => requestId);
  for (const id of requestIds) {
    await eventually('its body', async () =>
      (await gateway.admin.get(`/requests/${id}/body`)).status === 200 ? true : undefined,
    );
  }
  return { ...issued, sessionId, requestIds };
}

/** Everybody who is somebody, or nobody, whatever the route asks for; the developers see one key. */
export async function callersOf(gateway: TestGateway, owner: OperatorClient, own: UsedKey) {
  const [viewer, auditor, admin, developer, gone] = await Promise.all([
    owner.invite('viewer'),
    owner.invite('auditor'),
    owner.invite('admin'),
    owner.invite('developer', { key_ids: [own.key.id], permissions: ['bodies:read'] }),
    owner.invite('owner'),
  ]);
  const held = new Set<Permission>([...ROLE_PERMISSIONS.developer, 'bodies:read']);
  const tokenBody = { name: 'of the developer', permissions: [...held] };
  const { secret } = (await developer.client.call('POST', '/tokens', tokenBody)).body as IssuedAdminToken;
  const expired = await OperatorClient.signIn(gateway.url, gone.operator.email);
  await gone.client.call('DELETE', '/session');
  await gateway.database.query(
    `UPDATE operator_sessions SET expires_at = now() WHERE operator_id = replace($1, 'opr_', '')::uuid`,
    [gone.operator.id],
  );
  const bySession = (name: string, { cookie }: OperatorClient, permissions: Caller['permissions']): Caller => ({
    name,
    headers: { cookie, ...BROWSER },
    permissions,
  });
  const developers: Caller[] = [
    { ...bySession('a developer', developer.client, held), isLimited: true },
    { name: 'a token of a developer', headers: bearer(secret), permissions: held, isLimited: true },
  ];
  const callers: Caller[] = [
    { name: 'nobody', headers: {}, permissions: null },
    { name: 'a model key', headers: bearer(own.secret), permissions: null },
    bySession('a session that was ended', gone.client, null),
    bySession('a session that is over', expired, null),
    bySession('a viewer', viewer.client, new Set(ROLE_PERMISSIONS.viewer)),
    bySession('an auditor', auditor.client, new Set(ROLE_PERMISSIONS.auditor)),
    bySession('an admin', admin.client, new Set(ROLE_PERMISSIONS.admin)),
    ...developers,
    bySession('an owner', owner, EVERYTHING),
    { name: 'ADMIN_TOKEN', headers: bearer(ADMIN_TOKEN), permissions: EVERYTHING },
    { name: 'a cookie alone', headers: { cookie: owner.cookie }, permissions: EVERYTHING, isForged: true },
    {
      name: 'a page of another site',
      headers: { cookie: owner.cookie, ...BROWSER, 'sec-fetch-site': 'cross-site' },
      permissions: EVERYTHING,
      isForged: true,
    },
  ];
  return { callers, developers };
}

/** A token with this permission and no other, and one with all others. */
export async function tokensOf(gateway: TestGateway, permission: Permission): Promise<[Caller, Caller]> {
  const others = PERMISSIONS.filter((one) => one !== permission);
  const make = async (name: string, permissions: Permission[]): Promise<Caller> => {
    const { secret } = await gateway.admin.create<IssuedAdminToken>('/tokens', { name, permissions });
    // Every token may ask who it is.
    return { name: `a token ${name}`, headers: bearer(secret), permissions: new Set([...permissions, 'self:read']) };
  };
  return [await make(`for ${permission} only`, [permission]), await make(`for all but ${permission}`, others)];
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}
