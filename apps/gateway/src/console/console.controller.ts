import { Controller, Get, Header, Redirect, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { requestOrigin } from '../http/request-origin.js';
import { landingPage } from './landing-page.js';
import { type PageLanguage, SETUP_SCRIPT, setupPage } from './setup-page.js';

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
  page(@Req() request: FastifyRequest): string {
    const origin = requestOrigin(request) ?? 'http://127.0.0.1:8080';
    return landingPage(origin, languageOf(request.headers['accept-language']));
  }

  @Get('console/setup')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('vary', 'accept-language')
  @Header('cache-control', 'no-store')
  @Header('referrer-policy', 'no-referrer')
  @Header(
    'content-security-policy',
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  )
  setup(@Req() { headers }: FastifyRequest): string {
    return setupPage(languageOf(headers['accept-language']));
  }

  @Get('console/setup.js')
  @Header('content-type', 'text/javascript; charset=utf-8')
  setupScript(): string {
    return SETUP_SCRIPT;
  }
}

function languageOf(accepted: string | undefined): PageLanguage {
  return /^zh\b/i.test(accepted ?? '') ? 'zh' : 'en';
}
