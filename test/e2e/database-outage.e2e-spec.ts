import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

/** Stands between the gateway and PostgreSQL, so that PostgreSQL can be away. */
class Cable {
  private readonly sockets = new Set<Socket>();
  private isCut = false;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async to(host: string, port: number): Promise<Cable> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const cable = new Cable(server, (server.address() as AddressInfo).port);
    server.on('connection', (socket) => cable.plug(socket, connect(port, host)));
    return cable;
  }

  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.isCut = false;
  }

  close(): void {
    this.cut();
    this.server.close();
  }

  private plug(near: Socket, far: Socket): void {
    for (const socket of [near, far]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        this.sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    if (this.isCut) near.destroy();
    near.pipe(far).pipe(near);
  }
}

let database: TestDatabase;
let cable: Cable;
let scene: Scene;

beforeAll(async () => {
  database = await createDatabase();
  const url = new URL(database.url);
  cable = await Cable.to(url.hostname, Number(url.port));
  url.port = String(cable.port);
  scene = await startScene({ gateway: { database: { ...database, url: url.href } } });
});
afterAll(async () => {
  await scene.stop();
  cable.close();
  await database.drop();
});

describe('a database that goes away', () => {
  it('does not stop model traffic or turn keys away, and gets every row when it is back', async () => {
    const { gateway, simulator, secret } = scene;
    cable.cut();
    const answers = [];
    for (let i = 0; i < 20; i++) answers.push(await call(gateway.url, callBody(`hello ${i}`), { secret }));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect((await call(gateway.url, callBody('x'), { secret: 'sk-tg-x' })).status).toBe(401);
    expect(await gateway.admin.get('/keys')).toMatchObject({ status: 503, body: { code: 'database_unavailable' } });
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200);

    cable.mend();
    const count = async () =>
      Number((await database.query<{ n: string }>(`SELECT count(*) AS n FROM request_log WHERE outcome = 'ok'`))[0]?.n);
    await eventually('20 rows', async () => ((await count()) === 20 ? true : undefined));
    const { body } = await gateway.admin.get('/usage');
    expect((body as { data: { output_tokens: number }[] }).data[0]?.output_tokens).toBe(
      simulator.ledger.totals.overall.outputTokens,
    );
  });
});
