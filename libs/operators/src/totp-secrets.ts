import type { Transaction } from '@app/database';
import { SecretBox } from '@app/runtime';

/** Seals and opens what the codes of second factors are made from. A sealed one opens only for the operator it was sealed for. */
export class TotpSecrets {
  private readonly box: SecretBox;

  constructor(masterKey: Buffer) {
    this.box = new SecretBox(masterKey, 'totp-secrets');
  }

  seal(operatorId: string, secret: string): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.box.seal(secret, `operator:${operatorId}`));
  }

  /** @throws Error when the bytes were changed or sealed under another MASTER_KEY */
  open(operatorId: string, sealed: Uint8Array): string {
    return this.box.open(sealed, `operator:${operatorId}`);
  }
}

/** Seals the second factor of every operator anew, under another MASTER_KEY. @throws Error when one of them does not open */
export async function resealTotps(tx: Transaction, from: TotpSecrets, to: TotpSecrets): Promise<void> {
  for (const { operatorId, secretSealed } of await tx.operatorTotp.findMany()) {
    await tx.operatorTotp.update({
      where: { operatorId },
      data: { secretSealed: to.seal(operatorId, from.open(operatorId, secretSealed)) },
    });
  }
}
