import { Injectable } from '@nestjs/common';
import type { OpenRequest } from '@app/contract';
import { AuditLog, auditOrigin, onBehalfOf, PrismaService } from '@app/database';
import { RequestSearch } from '@app/journal';
import { type Answers, type Inquiry, ReplicaQuestions } from './replica-questions.js';
import { type RequestInFlight, RequestsInFlight } from './requests-in-flight.js';

/** The requests that have not ended, whichever replica serves them: for operators, to see and to end them. */
@Injectable()
export class OpenRequests {
  constructor(
    private readonly inFlight: RequestsInFlight,
    private readonly questions: ReplicaQuestions,
    private readonly search: RequestSearch,
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
  ) {
    questions.answerBy((inquiry) => this.answer(inquiry));
  }

  /** The oldest that began after the one of an id. */
  async list(limit: number, afterId: string | null): Promise<Answers> {
    const { requests, silentReplicas } = await this.questions.ask({ asks: 'list', limit, afterId });
    const all = [...this.inFlight.list(limit, afterId), ...requests];
    return { requests: all.toSorted((one, other) => (one.id < other.id ? -1 : 1)).slice(0, limit), silentReplicas };
  }

  /** The request as it stood when it was ended; null when it is not open anywhere. */
  async abort(actor: string, id: string): Promise<OpenRequest | null> {
    const request = this.inFlight.find(id);
    if (request) return this.abortHere(actor, request);
    // Its row comes with its end.
    if (await this.search.find(id)) return null;
    const { requests } = await this.questions.ask(
      { asks: 'abort', id, actor, origin: auditOrigin() },
      (aborted) => aborted.length > 0,
    );
    return requests[0] ?? null;
  }

  private async answer(inquiry: Inquiry): Promise<readonly OpenRequest[]> {
    if (inquiry.asks === 'list') return this.inFlight.list(inquiry.limit, inquiry.afterId);
    const request = this.inFlight.find(inquiry.id);
    const { actor, origin } = inquiry;
    const aborted = request ? await onBehalfOf(origin, () => this.abortHere(actor, request)) : null;
    return aborted ? [aborted] : [];
  }

  private abortHere(actor: string, request: RequestInFlight): Promise<OpenRequest | null> {
    return this.prisma
      .$transaction(async (tx) => {
        const shown = this.inFlight.show(request);
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
}

class EndedMeanwhileError extends Error {}
