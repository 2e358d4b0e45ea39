import { Body, Get, Headers, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { configText } from '@app/config-file';
import {
  ChangeConfigQuery,
  ConfigApplied,
  ConfigDiff,
  ConfigDocument,
  ConfigDrift,
  configJsonSchema,
  ExportConfigQuery,
} from '@app/contract';
import { AdminController } from '../admin/admin.decorators.js';
import { Permit } from '../identity/permissions.js';
import { Actor, type PrincipalRequest } from '../identity/principal.js';
import { ConfigFiles } from './config-files.js';

const YAML = /\b(?:application|text)\/(?:x-)?yaml\b/i;

/** The whole configuration as one document. */
@AdminController('config')
export class ConfigController {
  constructor(private readonly files: ConfigFiles) {}

  @Get()
  @Permit('config:read')
  @ApiOperation({ summary: 'Export the configuration, as JSON or YAML; it holds no secret' })
  @ApiOkResponse({ standardSchema: ConfigDocument })
  async export(
    @Query({ schema: ExportConfigQuery }) { format, secrets }: ExportConfigQuery,
    @Headers('accept') accept: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const document = await this.files.export(secrets);
    const isYaml = format ? format === 'yaml' : YAML.test(accept ?? '');
    // As bytes, so that neither form is made into another.
    const body = isYaml ? configText(document) : JSON.stringify(document);
    await reply
      .header('content-type', isYaml ? 'application/yaml; charset=utf-8' : 'application/json; charset=utf-8')
      .send(Buffer.from(body));
  }

  @Get('schema')
  @Permit('config:read')
  @ApiOperation({ summary: 'The JSON Schema of the configuration, for editors' })
  @ApiOkResponse({ description: 'JSON Schema, draft 2020-12' })
  schema(): object {
    return configJsonSchema();
  }

  @Get('drift')
  @Permit('config:read')
  @ApiOperation({ summary: 'List what was changed by hand since a configuration was applied last' })
  @ApiOkResponse({ standardSchema: ConfigDrift })
  drift(): Promise<ConfigDrift> {
    return this.files.drift();
  }

  @Post('diff')
  @Permit('config:read')
  @HttpCode(200)
  @ApiOperation({ summary: 'List what applying a configuration would change' })
  @ApiOkResponse({ standardSchema: ConfigDiff })
  diff(
    @Query({ schema: ChangeConfigQuery }) { prune }: ChangeConfigQuery,
    @Body({ schema: ConfigDocument }) document: ConfigDocument,
  ): Promise<ConfigDiff> {
    return this.files.diff(document, prune);
  }

  @Post('apply')
  @Permit('config:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Make everything as a configuration says, or change nothing' })
  @ApiOkResponse({ standardSchema: ConfigApplied })
  apply(
    @Actor() actor: string,
    @Req() { principal }: PrincipalRequest,
    @Query({ schema: ChangeConfigQuery }) { prune }: ChangeConfigQuery,
    @Body({ schema: ConfigDocument }) document: ConfigDocument,
  ): Promise<ConfigApplied> {
    const permissions = principal?.permissions ?? new Set();
    return this.files.apply(document, { actor, prune, permissions, tellsSecrets: true });
  }
}
