import { Controller, Delete, Get, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { GatewayRequest } from '../http/gateway-request.js';
import { StoredProxy } from './stored.proxy.js';

/** What can be done with a response once it is there. Routes of fixed names below /responses win over an id. */
@ApiExcludeController()
@Controller(['v1/responses', 'responses'])
export class StoredController {
  constructor(private readonly proxy: StoredProxy) {}

  @Get(':id')
  retrieve(@Req() request: GatewayRequest, @Res() reply: FastifyReply, @Param('id') id: string): Promise<void> {
    return this.proxy.handle(request, reply, 'retrieve', decoded(id));
  }

  @Delete(':id')
  delete(@Req() request: GatewayRequest, @Res() reply: FastifyReply, @Param('id') id: string): Promise<void> {
    return this.proxy.handle(request, reply, 'delete', decoded(id));
  }

  @Post(':id/cancel')
  @HttpCode(200)
  cancel(@Req() request: GatewayRequest, @Res() reply: FastifyReply, @Param('id') id: string): Promise<void> {
    return this.proxy.handle(request, reply, 'cancel', decoded(id));
  }

  @Get(':id/input_items')
  listInput(@Req() request: GatewayRequest, @Res() reply: FastifyReply, @Param('id') id: string): Promise<void> {
    return this.proxy.handle(request, reply, 'input_items', decoded(id));
  }
}

/** Ids hold no escapes of their own, but clients may write them with some; what cannot be decoded stands for itself. */
function decoded(id: string): string {
  try {
    return decodeURIComponent(id);
  } catch {
    return id;
  }
}
