-- What requests and answers say, for groups and keys that want it stored: compressed, encrypted, and for some days only.

ALTER TABLE "groups" ADD COLUMN "body_policy" JSONB NOT NULL DEFAULT '{"capture": "never"}',
    ADD COLUMN "redact" JSONB NOT NULL DEFAULT '{"patterns": [], "json_paths": []}';
ALTER TABLE "api_keys" ADD COLUMN "body_policy" JSONB;

-- Replicas hold the policies of keys in memory, too.
DROP TRIGGER "api_keys_feed" ON "api_keys";
CREATE TRIGGER "api_keys_feed" BEFORE INSERT OR UPDATE OF
    "group_id", "name", "models", "secret_hash", "previous_secret_hash", "previous_secret_expires_at", "expires_at", "revoked_at",
    "requests_per_minute", "input_tokens_per_minute", "tokens_per_minute", "max_concurrency", "budget_nano_usd", "body_policy"
    ON "api_keys" FOR EACH ROW EXECUTE FUNCTION "feed_key_change"();

-- Keys of a day; without them nothing of the day can be read any more. Sealed under MASTER_KEY.
CREATE TABLE "body_keys" (
    "id" UUID NOT NULL,
    "day" DATE NOT NULL,
    "wrapped_key" BYTEA NOT NULL,

    CONSTRAINT "body_keys_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "body_keys_day_idx" ON "body_keys"("day");

-- Bodies of requests that began up to then are not stored any more, wherever they still are.
CREATE TABLE "body_erasures" (
    "subject" TEXT NOT NULL,
    "erased_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "body_erasures_pkey" PRIMARY KEY ("subject")
);

-- Partitioned by day (UTC), as the request log is. Without an index but its key: bodies are looked up by the id of their request.
CREATE TABLE "request_bodies" (
    "started_at" TIMESTAMPTZ(3) NOT NULL,
    "request_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "key_id" UUID NOT NULL,
    "group_id" UUID NOT NULL,
    "body_key_id" UUID NOT NULL,
    "codec" TEXT NOT NULL,
    "bytes" BIGINT NOT NULL,
    "stored_bytes" INTEGER NOT NULL,
    "is_truncated" BOOLEAN NOT NULL,
    "is_redacted" BOOLEAN NOT NULL,
    "keep_until" TIMESTAMPTZ(3),
    "content" BYTEA NOT NULL,

    CONSTRAINT "request_bodies_pkey" PRIMARY KEY ("started_at", "request_id", "kind")
) PARTITION BY RANGE ("started_at");
-- Only bodies that are kept for a shorter time than the others.
CREATE INDEX "request_bodies_keep_until_idx" ON "request_bodies"("keep_until") WHERE "keep_until" IS NOT NULL;
-- It is random to PostgreSQL, which would try to compress it.
ALTER TABLE "request_bodies" ALTER COLUMN "content" SET STORAGE EXTERNAL;

CREATE TABLE "request_bodies_default" PARTITION OF "request_bodies" DEFAULT;
