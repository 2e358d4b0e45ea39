import type { Problem } from '@app/contract';

type FieldError = NonNullable<Problem['errors']>[number];

/** A failure of the admin API, answered as an RFC 9457 problem. */
export class AdminProblem extends Error {
  /** When to come back; null: nothing is said of that. */
  retryAfterSeconds: number | null = null;

  constructor(
    readonly status: number,
    readonly code: string,
    readonly title: string,
    detail: string,
    readonly errors: readonly FieldError[] = [],
  ) {
    super(detail);
  }

  static unauthorized(): AdminProblem {
    return new AdminProblem(
      401,
      'unauthorized',
      'Not signed in',
      'Sign in, or send an admin token as "Authorization: Bearer <token>". The first one was printed at the first start, or is set in ADMIN_TOKEN.',
    );
  }

  static forbidden(permission: string): AdminProblem {
    return new AdminProblem(403, 'forbidden', 'Not permitted', `This needs the permission ${permission}.`);
  }

  /** Somebody gives what he does not have, or changes somebody who has it. */
  static notGranted(): AdminProblem {
    return new AdminProblem(
      403,
      'not_granted',
      'Not permitted',
      'Nobody can grant, or change, more than he may do himself.',
    );
  }

  /** Nobody is told whether there is such an operator. */
  static wrongPassword(): AdminProblem {
    return new AdminProblem(
      401,
      'wrong_password',
      'Not signed in',
      'There is nobody with this e-mail address and password.',
    );
  }

  /** Only whoever has the password is told that it is not enough. */
  static totpRequired(): AdminProblem {
    return new AdminProblem(
      401,
      'totp_required',
      'Code required',
      'The password is right. Send the code of your authenticator as "totp", too, or one of your recovery codes as "recovery_code".',
    );
  }

  static wrongCode(): AdminProblem {
    return new AdminProblem(
      401,
      'wrong_code',
      'Not signed in',
      'The code is wrong, over, or was used already. Wait for the next one, or use a recovery code.',
    );
  }

  static crossSite(): AdminProblem {
    return new AdminProblem(
      403,
      'cross_site_request',
      'Request of another site',
      'What a session is used for must come from the same site, and carry the header x-tollgate-csrf: 1.',
    );
  }

  /** @param reason a sentence that says what there was too much of */
  static tooManyRequests(reason: string, retryAfterSeconds: number): AdminProblem {
    const detail = `${reason} Try again in ${retryAfterSeconds} s.`;
    const problem = new AdminProblem(429, 'too_many_requests', 'Too many requests', detail);
    problem.retryAfterSeconds = retryAfterSeconds;
    return problem;
  }

  static notFound(what: string): AdminProblem {
    return new AdminProblem(404, 'not_found', 'Not found', `There is no such ${what}.`);
  }

  static conflict(detail: string, path?: string): AdminProblem {
    return new AdminProblem(409, 'conflict', 'Conflict', detail, path ? [{ path, message: detail }] : []);
  }

  static invalid(errors: readonly FieldError[]): AdminProblem {
    const [first] = errors;
    const detail = first
      ? `${first.path || 'The request'} ${first.message}.${errors.length > 1 ? ` And ${errors.length - 1} more.` : ''}`
      : 'The request is not valid.';
    return new AdminProblem(422, 'validation_failed', 'Validation failed', detail, errors);
  }

  /** @param message what it must be, behind its name */
  static invalidHeader(name: string, message: string): AdminProblem {
    const detail = `${name} ${message}.`;
    return new AdminProblem(400, 'invalid_header', 'Invalid header', detail, [{ path: name, message }]);
  }

  static preconditionFailed(): AdminProblem {
    return new AdminProblem(
      412,
      'precondition_failed',
      'Changed meanwhile',
      'It is not what If-Match names any more: somebody else has changed it, and nothing was done. Read it again.',
    );
  }

  static idempotencyKeyReused(): AdminProblem {
    return new AdminProblem(
      422,
      'idempotency_key_reused',
      'Idempotency-Key reused',
      'The Idempotency-Key came with another request before: another path, or another body. Take a new key for each request.',
      [{ path: 'Idempotency-Key', message: 'must not be that of another request' }],
    );
  }

  static idempotencyRequestInProgress(): AdminProblem {
    const problem = new AdminProblem(
      409,
      'idempotency_request_in_progress',
      'Still in progress',
      'The request with this Idempotency-Key is still being performed. Send it again in a moment, with the same key.',
    );
    problem.retryAfterSeconds = 1;
    return problem;
  }

  static invalidJson(cause: unknown): AdminProblem {
    const reason = cause instanceof Error ? cause.message : 'unreadable';
    return new AdminProblem(400, 'invalid_json', 'Malformed JSON', `The body is not valid JSON: ${reason}`);
  }

  static bodyTooLarge(limitBytes: number): AdminProblem {
    return new AdminProblem(413, 'request_too_large', 'Body too large', `The body is larger than ${limitBytes} bytes.`);
  }

  static databaseUnavailable(): AdminProblem {
    return new AdminProblem(
      503,
      'database_unavailable',
      'Database unavailable',
      'PostgreSQL does not answer. Model traffic goes on; try again when it is back.',
    );
  }

  static questionGivenUp(reason: 'slow' | 'busy'): AdminProblem {
    return reason === 'slow'
      ? new AdminProblem(
          504,
          'question_too_slow',
          'Question too slow',
          'The answer takes longer than 5 seconds to find. Ask for less: a shorter time between from and to, or a key, a session or an id.',
        )
      : new AdminProblem(
          503,
          'too_many_questions',
          'Too many questions',
          'The request log is answering others, for which it takes its time. Try again in a few seconds.',
        );
  }

  static internal(): AdminProblem {
    return new AdminProblem(500, 'internal_error', 'Internal error', 'Tollgate failed on this request; see its log.');
  }
}
