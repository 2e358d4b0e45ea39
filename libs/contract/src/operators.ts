import { z } from 'zod';
import { Name, text, Timestamp } from './fields.js';
import { idOf } from './ids.js';
import { pageOf } from './page.js';
import { PERMISSIONS, ROLES } from './permissions.js';

const PASSWORD_LENGTH_MIN = 12;
const KEYS_MAX = 200;

const Email = text()
  .trim()
  .toLowerCase()
  .max(254)
  .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address');
const Password = text().min(PASSWORD_LENGTH_MIN, `must have at least ${PASSWORD_LENGTH_MIN} characters`).max(256);
const Role = z.enum(ROLES, { error: `must be one of ${ROLES.join(', ')}` });
const Permissions = z.array(z.enum(PERMISSIONS, { error: 'must be the name of a permission' })).max(PERMISSIONS.length);
const KeyIds = z.array(idOf('key')).max(KEYS_MAX);

export const CreateOperator = z
  .strictObject({
    name: Name,
    email: Email,
    role: Role,
    permissions: Permissions.default([]).meta({ description: 'Beyond those of the role, such as bodies:read' }),
    key_ids: KeyIds.default([]).meta({ description: 'Whose requests a developer sees' }),
  })
  .meta({ id: 'CreateOperator' });
export type CreateOperator = z.infer<typeof CreateOperator>;

export const UpdateOperator = z
  .strictObject({ name: Name, role: Role, permissions: Permissions, key_ids: KeyIds, enabled: z.boolean() })
  .partial()
  .meta({ id: 'UpdateOperator' });
export type UpdateOperator = z.infer<typeof UpdateOperator>;

export const Operator = z
  .object({
    id: z.string(),
    name: z.string(),
    email: z.string(),
    role: Role,
    permissions: z.array(z.string()).meta({ description: 'Beyond those of the role' }),
    key_ids: z.array(z.string()),
    enabled: z.boolean(),
    has_password: z.boolean(),
    totp_enabled: z.boolean().meta({ description: 'Whether a code has to go with the password' }),
    invited_until: z.string().nullable(),
    last_seen_at: z.string().nullable(),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .meta({ id: 'Operator' });
export type Operator = z.infer<typeof Operator>;

export const InvitedOperator = Operator.extend({
  setup_token: z.string().meta({ description: 'For /console/setup?token=…, where a password is set; told this once' }),
}).meta({ id: 'InvitedOperator' });
export type InvitedOperator = z.infer<typeof InvitedOperator>;

export const OperatorList = pageOf(Operator).meta({ id: 'OperatorList' });

export const SetUp = z
  .strictObject({
    token: z.string().min(1).max(200),
    password: Password,
    name: Name.optional().meta({ description: 'Of the first owner' }),
    email: Email.optional().meta({ description: 'Of the first owner' }),
  })
  .meta({ id: 'SetUp' });
export type SetUp = z.infer<typeof SetUp>;

export const SignIn = z
  .strictObject({
    email: text().max(254),
    password: z.string().max(256),
    totp: z.string().max(20).optional().meta({ description: 'The code of the second factor, of whoever has one' }),
    recovery_code: z.string().max(64).optional().meta({ description: 'In place of totp, once' }),
  })
  .meta({ id: 'SignIn' });
export type SignIn = z.infer<typeof SignIn>;

export const ChangePassword = z
  .strictObject({ current_password: z.string().max(256), new_password: Password })
  .meta({ id: 'ChangePassword' });
export type ChangePassword = z.infer<typeof ChangePassword>;

export const SignInOptions = z
  .object({ password: z.boolean(), oidc: z.boolean().meta({ description: 'By GET /admin/v1/oidc/login' }) })
  .meta({ id: 'SignInOptions' });
export type SignInOptions = z.infer<typeof SignInOptions>;

export const EnrolTotp = z.strictObject({ current_password: z.string().max(256) }).meta({ id: 'EnrolTotp' });
export type EnrolTotp = z.infer<typeof EnrolTotp>;

export const PendingTotp = z
  .object({
    secret: z.string().meta({ description: 'Base32, to be typed into an authenticator; told this once' }),
    otpauth_url: z.string().meta({ description: 'The same, to be shown as a QR code' }),
  })
  .meta({ id: 'PendingTotp' });
export type PendingTotp = z.infer<typeof PendingTotp>;

export const TotpCode = z
  .strictObject({ code: z.string().max(64).meta({ description: 'Six digits' }) })
  .meta({ id: 'TotpCode' });
export type TotpCode = z.infer<typeof TotpCode>;

export const DisableTotp = z
  .strictObject({ code: z.string().max(64).meta({ description: 'Six digits, or a recovery code' }) })
  .meta({ id: 'DisableTotp' });
export type DisableTotp = z.infer<typeof DisableTotp>;

export const RecoveryCodes = z
  .object({ recovery_codes: z.array(z.string()).meta({ description: 'Each is good for one sign-in; told this once' }) })
  .meta({ id: 'RecoveryCodes' });
export type RecoveryCodes = z.infer<typeof RecoveryCodes>;

/** Who calls, and what he may do. */
export const CurrentPrincipal = z
  .object({
    actor: z.string(),
    kind: z.enum(['bootstrap', 'session', 'token']),
    permissions: z.array(z.string()),
    key_ids: z
      .array(z.string())
      .nullable()
      .meta({ description: 'Whose requests are all that is seen; null: everything' }),
    operator: Operator.nullable(),
    expires_at: z.string().nullable(),
  })
  .meta({ id: 'CurrentPrincipal' });
export type CurrentPrincipal = z.infer<typeof CurrentPrincipal>;

export const CreateAdminToken = z
  .strictObject({
    name: Name,
    permissions: Permissions.min(1, 'must not be empty'),
    expires_at: Timestamp.nullable().default(null),
  })
  .meta({ id: 'CreateAdminToken' });
export type CreateAdminToken = z.infer<typeof CreateAdminToken>;

export const AdminToken = z
  .object({
    id: z.string(),
    name: z.string(),
    operator_id: z.string().nullable().meta({ description: 'Who made it, and without whom it is nothing' }),
    permissions: z.array(z.string()),
    last4: z.string(),
    expires_at: z.string().nullable(),
    last_used_at: z.string().nullable(),
    created_at: z.string(),
  })
  .meta({ id: 'AdminToken' });
export type AdminToken = z.infer<typeof AdminToken>;

export const IssuedAdminToken = AdminToken.extend({
  secret: z.string().meta({ description: 'Told this once' }),
}).meta({ id: 'IssuedAdminToken' });
export type IssuedAdminToken = z.infer<typeof IssuedAdminToken>;

export const AdminTokenList = pageOf(AdminToken).meta({ id: 'AdminTokenList' });
