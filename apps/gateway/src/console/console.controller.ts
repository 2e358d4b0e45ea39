import { Controller, Get, Header, Redirect } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { LANDING_PAGE } from './landing-page.js';

/** What a browser finds here. */
@ApiExcludeController()
@Controller()
export class ConsoleController {
  @Get()
  @Redirect('/console', 302)
  home(): void {}

  @Get('console')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header(
    'content-security-policy',
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
  )
  page(): string {
    return LANDING_PAGE;
  }
}
