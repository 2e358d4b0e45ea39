/** How bodies are stored; in force for all of them. */
export class BodyOptions {
  /** @param retentionDays how long a body is kept at most */
  constructor(readonly retentionDays: number) {}
}
