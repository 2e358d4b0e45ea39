import type { PrismaService, QuestionPool } from '@app/database';
import type { GatewayMetrics } from './gateway-metrics.js';

/** Adds to `/metrics` what the connections to PostgreSQL do. */
export function showConnections(prisma: PrismaService, questions: QuestionPool, metrics: GatewayMetrics): void {
  metrics.showGauges(
    'tollgate_database_connections',
    'Connections to PostgreSQL by pool: in_use, idle; waiting: statements for which there is none yet',
    ['pool', 'state'],
    () =>
      Object.entries({ main: prisma.connections, questions: questions.connections }).flatMap(([pool, connections]) =>
        Object.entries(connections).map(([state, count]): [string[], number] => [[pool, state], count]),
      ),
  );
}
