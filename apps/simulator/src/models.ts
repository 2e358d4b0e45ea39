import { refusals } from './api-error.js';
import type { JsonObject } from './json.js';
import type { Service } from './service.js';

const SHOWN_BY_DEFAULT = ['gpt-5.5', 'gpt-5.6-sol', 'gpt-6-sol'];
const CREATED_AT = 1_780_000_000;

/** The answer of `GET /models`. */
export function listModels(service: Service): JsonObject {
  return { object: 'list', data: (service.models ?? SHOWN_BY_DEFAULT).map(modelObject) };
}

/** The answer of `GET /models/{id}`; without a configured list every model exists. */
export function showModel(service: Service, id: string): JsonObject {
  if (service.models && !service.models.includes(id)) throw refusals.modelNotListed(id);
  return modelObject(id);
}

function modelObject(id: string): JsonObject {
  return { id, object: 'model', created: CREATED_AT, owned_by: 'system' };
}
