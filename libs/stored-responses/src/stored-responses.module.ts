import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { EncryptedContentOrigins } from './encrypted-content-origins.js';
import { StoredIdPruner } from './stored-id-pruner.js';
import { StoredResponses } from './stored-responses.js';

/** Who owns which response, and which upstream made what. */
@Module({
  imports: [RuntimeModule],
  providers: [StoredResponses, EncryptedContentOrigins, StoredIdPruner],
  exports: [StoredResponses, EncryptedContentOrigins],
})
export class StoredResponsesModule {}
