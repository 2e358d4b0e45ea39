import { Injectable, Logger } from '@nestjs/common';
import type { OpenRequest } from '@app/contract';
import { type AuditOrigin, Notices } from '@app/database';
import { newId } from '@app/runtime';

const QUESTIONS = 'tollgate_questions';
const ANSWERS = 'tollgate_answers';
/** How long the other replicas have to answer. */
const ANSWER_MS = 1_000;
/** A notice holds 8 000 bytes. */
const ANSWER_BYTES_MAX = 7_500;

/** What is asked: which requests are open, or that one of them be ended. */
export type Inquiry =
  | { readonly asks: 'list'; readonly limit: number; readonly afterId: string | null }
  | { readonly asks: 'abort'; readonly id: string; readonly actor: string; readonly origin: AuditOrigin | null };

/** A question to all other replicas. */
interface Question {
  readonly id: string;
  readonly askedBy: string;
  readonly inquiry: Inquiry;
}

/** A part of what one of them answers. */
interface Answer {
  readonly question: string;
  readonly toldTo: string;
  readonly requests: readonly OpenRequest[];
  readonly isLast: boolean;
}

/** What came back. */
export interface Answers {
  readonly requests: readonly OpenRequest[];
  /** Replicas that did not answer in time; null: nobody knows, PostgreSQL was away. */
  readonly silentReplicas: number | null;
}

interface OpenQuestion {
  readonly requests: OpenRequest[];
  awaited: number;
  readonly isEnough: (requests: readonly OpenRequest[]) => boolean;
  readonly end: () => void;
}

/** Asks all other replicas at once, by way of PostgreSQL, and answers what they ask. */
@Injectable()
export class ReplicaQuestions {
  private readonly logger = new Logger(ReplicaQuestions.name);
  private readonly open = new Map<string, OpenQuestion>();
  private answerer: ((inquiry: Inquiry) => Promise<readonly OpenRequest[]>) | null = null;

  constructor(private readonly notices: Notices) {
    notices.on(QUESTIONS, (text) => this.onQuestion(JSON.parse(text) as Question));
    notices.on(ANSWERS, (text) => this.onAnswer(JSON.parse(text) as Answer));
  }

  /** Registers who answers for this replica. */
  answerBy(answerer: (inquiry: Inquiry) => Promise<readonly OpenRequest[]>): void {
    this.answerer = answerer;
  }

  /** Resolves when all have answered, or enough is known, or it takes too long. Never rejects. */
  async ask(inquiry: Inquiry, isEnough: OpenQuestion['isEnough'] = () => false): Promise<Answers> {
    const id = newId();
    let timer: NodeJS.Timeout | undefined;
    try {
      const others = (await this.notices.countListeners()) - 1;
      if (others <= 0) return { requests: [], silentReplicas: 0 };
      const requests: OpenRequest[] = [];
      const ended = new Promise<void>((end) => {
        this.open.set(id, { requests, awaited: others, isEnough, end });
        timer = setTimeout(end, ANSWER_MS);
      });
      await this.tell(QUESTIONS, { id, askedBy: this.notices.processId, inquiry });
      await ended;
      return { requests, silentReplicas: this.open.get(id)?.awaited ?? 0 };
    } catch (error) {
      this.logger.warn(`the other replicas could not be asked: ${String(error)}`);
      return { requests: [], silentReplicas: null };
    } finally {
      clearTimeout(timer);
      this.open.delete(id);
    }
  }

  private onAnswer({ question, toldTo, requests, isLast }: Answer): void {
    const open = toldTo === this.notices.processId ? this.open.get(question) : undefined;
    if (!open) return;
    open.requests.push(...requests);
    if (isLast) open.awaited--;
    if (open.awaited <= 0 || open.isEnough(open.requests)) open.end();
  }

  private onQuestion({ id, askedBy, inquiry }: Question): void {
    if (askedBy !== this.notices.processId) void this.answer(id, askedBy, inquiry);
  }

  private async answer(question: string, toldTo: string, inquiry: Inquiry): Promise<void> {
    try {
      const parts = partsOf((await this.answerer?.(inquiry)) ?? []);
      for (const [index, requests] of parts.entries()) {
        await this.tell(ANSWERS, { question, toldTo, requests, isLast: index === parts.length - 1 });
      }
    } catch (error) {
      this.logger.warn(`a question of another replica was not answered: ${String(error)}`);
    }
  }

  private tell(channel: string, notice: Question | Answer): Promise<void> {
    return this.notices.tell(channel, JSON.stringify(notice));
  }
}

/** At least one part, each small enough for a notice. */
function partsOf(requests: readonly OpenRequest[]): OpenRequest[][] {
  let part: OpenRequest[] = [];
  const parts = [part];
  let bytes = 0;
  for (const request of requests) {
    const size = Buffer.byteLength(JSON.stringify(request)) + 1;
    if (bytes + size > ANSWER_BYTES_MAX && part.length > 0) {
      parts.push((part = []));
      bytes = 0;
    }
    part.push(request);
    bytes += size;
  }
  return parts;
}
