import { Injectable, Logger } from '@nestjs/common';
import type { OpenRequest } from '@app/contract';
import { AuditLog, Notices, PrismaService } from '@app/database';
import { RequestSearch } from '@app/journal';
import { Clock, newId, RedisConnection } from '@app/runtime';
import { type RequestInFlight, RequestsInFlight } from './requests-in-flight.js';
import { toOpenRequest } from './shown-in-flight.js';

const CHANNEL = 'tollgate_aborts';
/** How long the other replicas have to say that the request was theirs. */
const ANSWER_MS = 1_000;

/** What replicas tell each other: a question, or its answer. */
type Notice =
  | { readonly askedBy: string; readonly question: string; readonly id: string; readonly actor: string }
  | { readonly toldTo: string; readonly question: string; readonly aborted: OpenRequest };

/** Ends requests for operators, whichever replica serves them: one that does not know it asks all others at once. */
@Injectable()
export class RequestAborts {
  private readonly logger = new Logger(RequestAborts.name);
  private readonly questions = new Map<string, (aborted: OpenRequest | null) => void>();

  // oxlint-disable-next-line max-params -- what it takes, by name
  constructor(
    private readonly inFlight: RequestsInFlight,
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly notices: Notices,
    private readonly search: RequestSearch,
    private readonly clock: Clock,
    private readonly replicas: RedisConnection,
  ) {
    notices.on(CHANNEL, (text) => this.onNotice(JSON.parse(text) as Notice));
  }

  /** The request as it stood when it was ended; null when it is not open anywhere. */
  async abort(actor: string, id: string): Promise<OpenRequest | null> {
    const request = this.inFlight.find(id);
    if (request) return this.abortHere(actor, request);
    // Its row comes with its end.
    if (await this.search.find(id)) return null;
    return this.ask(actor, id);
  }

  private abortHere(actor: string, request: RequestInFlight): Promise<OpenRequest | null> {
    return this.prisma
      .$transaction(async (tx) => {
        const shown = toOpenRequest(request, this.clock.monotonic(), this.replicas.replicaId);
        const audited = { actor, action: 'request.abort', objectType: 'request', objectId: request.record.id };
        await this.audit.record(tx, { ...audited, before: shown, after: null });
        // One that has ended meanwhile has been aborted by nobody.
        if (!this.inFlight.has(request)) throw new EndedMeanwhileError();
        request.abort();
        return shown;
      })
      .catch((error: unknown) => {
        if (error instanceof EndedMeanwhileError) return null;
        throw error;
      });
  }

  private async ask(actor: string, id: string): Promise<OpenRequest | null> {
    const question = newId();
    const answer = new Promise<OpenRequest | null>((resolve) => this.questions.set(question, resolve));
    const timer = setTimeout(() => this.questions.get(question)?.(null), ANSWER_MS);
    try {
      await this.tell({ askedBy: this.notices.processId, question, id, actor });
      return await answer;
    } finally {
      clearTimeout(timer);
      this.questions.delete(question);
    }
  }

  private onNotice(notice: Notice): void {
    const { processId } = this.notices;
    if ('toldTo' in notice) {
      if (notice.toldTo === processId) this.questions.get(notice.question)?.(notice.aborted);
    } else if (notice.askedBy !== processId) void this.answer(notice);
  }

  private async answer({ askedBy, question, id, actor }: Notice & { askedBy: string }): Promise<void> {
    const request = this.inFlight.find(id);
    if (!request) return;
    try {
      const aborted = await this.abortHere(actor, request);
      if (aborted) await this.tell({ toldTo: askedBy, question, aborted });
    } catch (error) {
      this.logger.warn(`request ${request.record.publicId} was not aborted: ${String(error)}`);
    }
  }

  private tell(notice: Notice): Promise<void> {
    return this.notices.tell(CHANNEL, JSON.stringify(notice));
  }
}

class EndedMeanwhileError extends Error {}
