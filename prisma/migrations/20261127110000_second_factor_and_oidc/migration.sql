-- A second factor beside the password, and people whom an OpenID provider knows.
ALTER TABLE "operators" ADD COLUMN "totp_enabled" BOOLEAN NOT NULL DEFAULT false;

CREATE TABLE "operator_totps" (
    "operator_id" UUID NOT NULL REFERENCES "operators"("id") ON DELETE CASCADE ON UPDATE CASCADE,
    "secret_sealed" BYTEA NOT NULL,
    "last_step" INTEGER NOT NULL DEFAULT 0,
    "recovery_hashes" TEXT[] NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "operator_totps_pkey" PRIMARY KEY ("operator_id")
);

CREATE TABLE "operator_identities" (
    "issuer" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "operator_id" UUID NOT NULL REFERENCES "operators"("id") ON DELETE CASCADE ON UPDATE CASCADE,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "operator_identities_pkey" PRIMARY KEY ("issuer", "subject")
);
CREATE UNIQUE INDEX "operator_identities_operator_id_issuer_key" ON "operator_identities"("operator_id", "issuer");
