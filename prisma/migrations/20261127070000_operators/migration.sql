-- Who runs the installation: people who sign in, and tokens of programs.
CREATE TABLE "operators" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "email" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "permissions" TEXT[],
    "password_hash" TEXT,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "invite_hash" TEXT,
    "invite_expires_at" TIMESTAMPTZ(3),
    "last_seen_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "operators_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "operators_email_key" ON "operators"("email");
CREATE UNIQUE INDEX "operators_invite_hash_key" ON "operators"("invite_hash");

CREATE TABLE "operator_keys" (
    "operator_id" UUID NOT NULL REFERENCES "operators"("id") ON DELETE CASCADE ON UPDATE CASCADE,
    "key_id" UUID NOT NULL REFERENCES "api_keys"("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "operator_keys_pkey" PRIMARY KEY ("operator_id", "key_id")
);
CREATE INDEX "operator_keys_key_id_idx" ON "operator_keys"("key_id");

CREATE TABLE "operator_sessions" (
    "id" UUID NOT NULL,
    "operator_id" UUID NOT NULL REFERENCES "operators"("id") ON DELETE CASCADE ON UPDATE CASCADE,
    "secret_hash" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "operator_sessions_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "operator_sessions_secret_hash_key" ON "operator_sessions"("secret_hash");
CREATE INDEX "operator_sessions_operator_id_idx" ON "operator_sessions"("operator_id");
CREATE INDEX "operator_sessions_expires_at_idx" ON "operator_sessions"("expires_at");

CREATE TABLE "admin_tokens" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "operator_id" UUID REFERENCES "operators"("id") ON DELETE CASCADE ON UPDATE CASCADE,
    "permissions" TEXT[],
    "secret_hash" TEXT NOT NULL,
    "last4" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "admin_tokens_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "admin_tokens_name_key" ON "admin_tokens"("name");
CREATE UNIQUE INDEX "admin_tokens_secret_hash_key" ON "admin_tokens"("secret_hash");
CREATE INDEX "admin_tokens_operator_id_idx" ON "admin_tokens"("operator_id");
