import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { GatewayRequest } from '../http/gateway-request.js';
import { ResponsesProxy } from './responses.proxy.js';

/** Codex appends only `/responses` to whatever base URL it is given, hence both paths. */
@ApiExcludeController()
@Controller(['v1/responses', 'responses'])
export class ResponsesController {
  constructor(private readonly proxy: ResponsesProxy) {}

  @Post()
  @HttpCode(200)
  create(@Req() request: GatewayRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.proxy.handle(request, reply, '/responses');
  }

  @Post('compact')
  @HttpCode(200)
  compact(@Req() request: GatewayRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.proxy.handle(request, reply, '/responses/compact');
  }
}
