import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

/** Stands between the gateway and PostgreSQL, so that PostgreSQL can be away. */
export class Cable {
  private readonly sockets = new Set<Socket>();
  private isCut = false;

  private constructor(
    private readonly server: Server,
    readonly port: number,
    private target: { host: string; port: number },
  ) {}

  static async to(host: string, port: number): Promise<Cable> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const cable = new Cable(server, (server.address() as AddressInfo).port, { host, port });
    server.on('connection', (socket) => cable.plug(socket, connect(cable.target)));
    return cable;
  }

  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  mend(): void {
    this.isCut = false;
  }

  /** New connections lead there. */
  moveTo(host: string, port: number): void {
    this.target = { host, port };
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
