import { Injectable } from '@nestjs/common';
import type { Caller } from '@app/keys';
import { ModelCatalog } from '@app/models';

/** Which models a caller may use: what its group allows, narrowed by its key, by a model's name or one of its aliases. */
@Injectable()
export class ModelPermissions {
  constructor(private readonly catalog: ModelCatalog) {}

  allows(caller: Caller, requestedModel: string): boolean {
    const rules = caller.models ? [caller.group.models, caller.models] : [caller.group.models];
    const publicName = this.catalog.find(requestedModel)?.name ?? requestedModel;
    return rules.every((rule) => rule.allows(requestedModel) || rule.allows(publicName));
  }

  /** Names that the caller can use: registered models and aliases, and exact names that its group or key allows. */
  visibleModels(caller: Caller): string[] {
    const registered = this.catalog.all().flatMap(({ name, aliases }) => [name, ...aliases]);
    const named = [...caller.group.models.patterns, ...(caller.models?.patterns ?? [])].filter(
      (pattern) => !pattern.includes('*'),
    );
    return [...new Set([...registered, ...named])].filter((name) => this.allows(caller, name)).toSorted();
  }
}
