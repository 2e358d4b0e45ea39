import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as othersTurn } from 'node:timers/promises';
import type { MessageEvent } from '@nestjs/common';
import { Observable } from 'rxjs';
import { type LiveEvent, LiveTail } from './live-tail.js';

/** The client's side of a tail: takes all, or nothing. */
class Reader extends EventEmitter {
  readonly socket = new EventEmitter();
  writableNeedDrain = false;
  isCut = false;
  readonly messages: MessageEvent[] = [];

  destroy(): void {
    this.isCut = true;
  }

  open(lastEventId: string | null = null): LiveTail {
    let tail: LiveTail | undefined;
    new Observable<MessageEvent>((subscriber) => {
      tail = new LiveTail(() => true, lastEventId, subscriber, this as unknown as ServerResponse);
    }).subscribe((message) => this.messages.push(message));
    return tail as LiveTail;
  }

  get told(): unknown[] {
    return this.messages.map(({ data }) => data);
  }
}

const event = (name: string, data = name): LiveEvent => ({ type: 'request', requestId: name, eventId: name, data });

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await othersTurn();
}

describe('a reader of the live tail', () => {
  it('is told what it missed first, then what came meanwhile, each once', async () => {
    const reader = new Reader();
    const tail = reader.open('a');
    for (const name of ['c', 'd']) tail.push(event(name));
    await settled();
    expect(reader.told).toEqual([]);
    tail.catchUp([event('b'), event('c')]);
    tail.push(event('e'));
    await settled();
    expect(reader.told).toEqual(['b', 'c', 'd', 'e']);
    expect(reader.messages.map(({ id }) => id)).toEqual(['b', 'c', 'd', 'e']);
  });

  it('that reads nothing for a while is told everything in order when it reads again', async () => {
    const reader = new Reader();
    const tail = reader.open();
    reader.writableNeedDrain = true;
    const names = Array.from({ length: 2_000 }, (_, index) => String(index));
    for (const name of names) tail.push(event(name));
    await settled();
    tail.keepAlive();
    expect([reader.told, reader.isCut]).toEqual([[], false]);
    reader.writableNeedDrain = false;
    reader.emit('drain');
    for (let turn = 0; turn < 20; turn++) await settled();
    expect(reader.told).toEqual(names);
  });

  it.each([
    ['2 000 events', 2_000, 1],
    ['4 MiB', 4, 1024 * 1024],
  ])('that lets more than %s wait is cut off, and holds nothing any more', async (_, count, characters) => {
    const reader = new Reader();
    const tail = reader.open();
    reader.writableNeedDrain = true;
    for (let index = 0; index < count; index++) tail.push(event(String(index), 'x'.repeat(characters)));
    expect(reader.isCut).toBe(false);
    tail.push(event('last'));
    expect(reader.isCut).toBe(true);
    reader.writableNeedDrain = false;
    reader.emit('drain');
    tail.push(event('later'));
    await settled();
    expect([reader.told, reader.listenerCount('drain')]).toEqual([[], 0]);
  });

  it('hears from time to time that the connection lives, but not while there is something to be told', async () => {
    const reader = new Reader();
    const tail = reader.open();
    tail.push(event('a'));
    tail.keepAlive();
    await settled();
    tail.keepAlive();
    expect(reader.messages.map(({ data, comment }) => data ?? comment)).toEqual(['a', 'keep-alive']);
  });
});
