import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { ESTIMATED_HEADER, inputTokensAnswer } from '@app/token-estimate';
import type { GatewayRequest } from '../http/gateway-request.js';
import { InputTokens } from './input-tokens.js';

/** `POST /v1/responses/input_tokens`: how large a call would be. Nothing is billed for it. */
@ApiExcludeController()
@Controller(['v1/responses/input_tokens', 'responses/input_tokens'])
export class InputTokensController {
  constructor(private readonly inputTokens: InputTokens) {}

  @Post()
  @HttpCode(200)
  async count(@Req() request: GatewayRequest, @Res() reply: FastifyReply): Promise<void> {
    const count = await this.inputTokens.of(request);
    const body = count.isEstimate ? inputTokensAnswer(count.inputTokens) : count.body;
    if (count.isEstimate) void reply.header(ESTIMATED_HEADER, 'true');
    else void reply.code(count.status);
    request.record.responseBytes = body.length;
    await reply.header('content-type', 'application/json').send(body);
  }
}
