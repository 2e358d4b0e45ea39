-- Writes that may be sent twice, and edits of what somebody else may be editing.

-- What operators read, to say of an edit what it is based on. Each change of configuration counts it up, by whatever statement.
ALTER TABLE "groups" ADD COLUMN "version" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "api_keys" ADD COLUMN "version" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "models" ADD COLUMN "version" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "upstreams" ADD COLUMN "version" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "webhooks" ADD COLUMN "version" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "settings" ADD COLUMN "version" INTEGER NOT NULL DEFAULT 1;

CREATE FUNCTION "count_version"() RETURNS TRIGGER AS $$
BEGIN
    NEW."version" := OLD."version" + 1;
    RETURN NEW;
END
$$ LANGUAGE plpgsql;

CREATE TRIGGER "groups_version" BEFORE UPDATE ON "groups" FOR EACH ROW EXECUTE FUNCTION "count_version"();
CREATE TRIGGER "models_version" BEFORE UPDATE ON "models" FOR EACH ROW EXECUTE FUNCTION "count_version"();
CREATE TRIGGER "upstreams_version" BEFORE UPDATE ON "upstreams" FOR EACH ROW EXECUTE FUNCTION "count_version"();
CREATE TRIGGER "webhooks_version" BEFORE UPDATE ON "webhooks" FOR EACH ROW EXECUTE FUNCTION "count_version"();
CREATE TRIGGER "settings_version" BEFORE UPDATE ON "settings" FOR EACH ROW EXECUTE FUNCTION "count_version"();
-- last_used_at is written by itself, for many keys at once: a key that is used is not a key that was edited.
CREATE TRIGGER "api_keys_version" BEFORE UPDATE ON "api_keys" FOR EACH ROW
    WHEN (OLD."last_used_at" IS NOT DISTINCT FROM NEW."last_used_at") EXECUTE FUNCTION "count_version"();

-- The prices are part of what is shown of a model, and have a route of their own.
CREATE FUNCTION "count_version_of_model"() RETURNS TRIGGER AS $$
BEGIN
    UPDATE "models" SET "version" = "version" WHERE "id" = coalesce(NEW."model_id", OLD."model_id");
    RETURN NULL;
END
$$ LANGUAGE plpgsql;

CREATE TRIGGER "model_prices_version" AFTER INSERT OR UPDATE OR DELETE ON "model_prices"
    FOR EACH ROW EXECUTE FUNCTION "count_version_of_model"();

-- Who sends a write with an Idempotency-Key, and how it was answered. The answer is sealed under MASTER_KEY: it may hold a secret.
-- Not partitioned by time, unlike what else is kept for a while: a key has to be unique over all of it, and a unique index of a
-- partitioned table holds within a partition only. Few rows, which live for a day, are deleted in batches.
CREATE TABLE "idempotency_keys" (
    "actor" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "fingerprint" BYTEA NOT NULL,
    "claim_id" UUID NOT NULL,
    "claimed_until" TIMESTAMPTZ(3) NOT NULL,
    "answer_sealed" BYTEA,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("actor", "key")
);
CREATE INDEX "idempotency_keys_created_at_idx" ON "idempotency_keys"("created_at");
