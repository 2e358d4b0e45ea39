-- From which part of a plan or budget on operators are alerted.
ALTER TABLE "groups" ADD COLUMN "soft_threshold_percent" INTEGER DEFAULT 80;
ALTER TABLE "api_keys" ADD COLUMN "soft_threshold_percent" INTEGER DEFAULT 80;
