-- How much groups and keys may use. Money is in nano-USD.
ALTER TABLE "groups"
    ADD COLUMN "requests_per_minute" INTEGER,
    ADD COLUMN "input_tokens_per_minute" INTEGER,
    ADD COLUMN "tokens_per_minute" INTEGER,
    ADD COLUMN "max_concurrency" INTEGER,
    ADD COLUMN "windows" JSONB NOT NULL DEFAULT '[]',
    ADD COLUMN "time_zone" TEXT NOT NULL DEFAULT 'UTC',
    ADD COLUMN "budget_nano_usd" BIGINT,
    ADD COLUMN "limit_message" TEXT NOT NULL DEFAULT '',
    ADD COLUMN "queue_wait_ms" INTEGER NOT NULL DEFAULT 10000;

ALTER TABLE "api_keys"
    ADD COLUMN "requests_per_minute" INTEGER,
    ADD COLUMN "input_tokens_per_minute" INTEGER,
    ADD COLUMN "tokens_per_minute" INTEGER,
    ADD COLUMN "max_concurrency" INTEGER,
    ADD COLUMN "budget_nano_usd" BIGINT;

-- Replicas hold the limits of keys in memory, too.
DROP TRIGGER "api_keys_feed" ON "api_keys";
CREATE TRIGGER "api_keys_feed" BEFORE INSERT OR UPDATE OF
    "group_id", "name", "models", "secret_hash", "previous_secret_hash", "previous_secret_expires_at", "expires_at", "revoked_at",
    "requests_per_minute", "input_tokens_per_minute", "tokens_per_minute", "max_concurrency", "budget_nano_usd"
    ON "api_keys" FOR EACH ROW EXECUTE FUNCTION "feed_key_change"();
