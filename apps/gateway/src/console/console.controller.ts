import { Controller, Get, Header, Redirect, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { landingPage } from './landing-page.js';

/** What a browser finds here. */
@ApiExcludeController()
@Controller()
export class ConsoleController {
  @Get()
  @Redirect('/console', 302)
  home(): void {}

  @Get('console')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('vary', 'accept-language')
  @Header(
    'content-security-policy',
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
  )
  page(@Req() { headers, protocol }: FastifyRequest): string {
    // The host is the visitor's own word: only what can stand in a URL gets into the page.
    const host = /^[\w.-]+(?::\d+)?$|^\[[\da-f:]+\](?::\d+)?$/i.test(headers.host ?? '')
      ? headers.host
      : '127.0.0.1:8080';
    return landingPage(`${protocol}://${host}`, /^zh\b/i.test(headers['accept-language'] ?? '') ? 'zh' : 'en');
  }
}
