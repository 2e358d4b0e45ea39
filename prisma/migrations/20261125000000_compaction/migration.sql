-- How conversations are compacted: what an upstream knows, what a group wants, how long a model can read, what a row tells of it.
ALTER TABLE "upstreams" ADD COLUMN "compaction" TEXT NOT NULL DEFAULT 'auto';

ALTER TABLE "groups"
    ADD COLUMN "compaction_output" TEXT NOT NULL DEFAULT 'both',
    ADD COLUMN "automatic_compaction" BOOLEAN NOT NULL DEFAULT false;

ALTER TABLE "models" ADD COLUMN "context_window_tokens" INTEGER;

ALTER TABLE "request_log" ADD COLUMN "compaction" JSONB;

-- Settings are held in memory, too.
CREATE TRIGGER "settings_feed" AFTER INSERT OR UPDATE OR DELETE ON "settings" EXECUTE FUNCTION "feed_config_change"();
