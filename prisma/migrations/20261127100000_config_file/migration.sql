-- Objects that a configuration file made or changed say so: what is gone from the file later can be told from what never was in it.
ALTER TABLE "upstreams" ADD COLUMN "managed_by" TEXT;
ALTER TABLE "models" ADD COLUMN "managed_by" TEXT;
ALTER TABLE "groups" ADD COLUMN "managed_by" TEXT;
ALTER TABLE "api_keys" ADD COLUMN "managed_by" TEXT;
ALTER TABLE "webhooks" ADD COLUMN "managed_by" TEXT;
