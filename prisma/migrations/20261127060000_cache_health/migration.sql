-- Of a turn that read less from the prompt cache than was expected: why, and how much less. Almost no row has one, and one without
-- takes no room.
ALTER TABLE "request_log" ADD COLUMN "cache_drop" JSONB;
