import { Injectable } from '@nestjs/common';
import { webhookUrlProblem, WebhookSecrets } from '@app/alerts';
import { unresolvedIn } from '@app/config-file';
import { type ConfigDocument, KEEP, type Problem } from '@app/contract';
import { checkSecret } from '@app/keys';
import { AddressPolicy, checkBaseUrl, checkProxyUrl } from '@app/upstreams';
import { AdminProblem } from '../http/admin-problem.js';
import { canonical } from './canonical.js';

type Problems = NonNullable<Problem['errors']>;

/** Checks what a schema cannot: addresses, the form of secrets, references that nobody has resolved. */
@Injectable()
export class ConfigChecks {
  constructor(private readonly policy: AddressPolicy) {}

  /**
   * The document in canonical form, with addresses as they are stored.
   *
   * @throws AdminProblem 422 that names every field at fault
   */
  async checked(document: ConfigDocument): Promise<ConfigDocument> {
    const problems: Problems = unresolvedIn(document).map((path) => ({
      path,
      message: 'is a reference: it must be resolved by whoever reads the file, as the command line does',
    }));
    if (problems.length > 0) throw AdminProblem.invalid(problems);
    const upstreams: ConfigDocument['upstreams'] = [];
    for (const [index, upstream] of document.upstreams.entries()) {
      const checked = await checkBaseUrl(upstream.base_url, this.policy);
      if ('problem' in checked) problems.push({ path: `upstreams.${index}.base_url`, message: checked.problem });
      else upstreams.push({ ...upstream, base_url: checked.baseUrl });
      problems.push(...(await this.proxyProblems(index, upstream.http_proxy)));
    }
    for (const [index, { url, secret }] of document.webhooks.entries()) {
      const problem = await webhookUrlProblem(url, this.policy);
      if (problem !== null) problems.push({ path: `webhooks.${index}.url`, message: problem });
      if (secret !== undefined && secret !== KEEP && !WebhookSecrets.isSecret(secret)) {
        problems.push({
          path: `webhooks.${index}.secret`,
          message: 'must be whsec_ and 24 to 64 bytes in base64',
        });
      }
    }
    problems.push(...keyProblems(document));
    if (problems.length > 0) throw AdminProblem.invalid(problems);
    return canonical({ ...document, upstreams });
  }

  private async proxyProblems(index: number, proxy: string | null): Promise<Problems> {
    if (proxy === null || proxy === KEEP) return [];
    const problem = await checkProxyUrl(proxy, this.policy);
    return problem === null ? [] : [{ path: `upstreams.${index}.http_proxy`, message: problem }];
  }
}

function keyProblems({ keys }: ConfigDocument): Problems {
  return keys.flatMap(({ secret }, index) =>
    secret === undefined || secret === KEEP || checkSecret(secret) !== null
      ? []
      : [{ path: `keys.${index}.secret`, message: 'must be a key as Tollgate makes them: sk-tg-…, with its checksum' }],
  );
}
