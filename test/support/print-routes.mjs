// Has a gateway that is started with `--import` of this file print every route that it answers, one a line, once it listens.
import { subscribe } from 'node:diagnostics_channel';

subscribe('fastify.initialization', ({ fastify }) => {
  const routes = [];
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) routes.push(`route: ${one} ${url}\n`);
  });
  fastify.addHook('onListen', (done) => {
    process.stdout.write(routes.join(''));
    done();
  });
});
