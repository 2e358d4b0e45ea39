-- Limits of a group that count for one model only.
ALTER TABLE "groups" ADD COLUMN "model_limits" JSONB NOT NULL DEFAULT '[]';
