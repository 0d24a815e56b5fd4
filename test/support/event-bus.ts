import { type BusEvent, startEventBus } from '../../infra/local/event-bus.ts';

export interface TestBus {
  url: string;
  /** What the bus took, oldest first, as EventBridge delivers it to the targets of its rules. */
  readonly delivered: BusEvent[];
  /** The continuations among them. */
  readonly continues: BusEvent[];
  /** How many entries were offered so far, the refused ones included. */
  readonly offered: number;
  /** The names of the buses that entries were meant for. */
  readonly names: Set<string>;
  /** Takes none of the next `entries` entries, as under throttling. */
  failNext(entries: number): void;
  /** Answers the next calls of PutEvents with 500, or all of them until it is told otherwise. */
  breakDown(calls?: number): void;
  /** Forgets what was delivered, and every failure that was asked for. */
  reset(): void;
  close(): Promise<void>;
}

/** The one bus that there is. */
export const busName = 'nightshift-test';

/** The local bus, watched and made to fail. */
export async function startTestBus(): Promise<TestBus> {
  const delivered: BusEvent[] = [];
  const names = new Set<string>();
  let offered = 0;
  let toFail = 0;
  let toBreak = 0;
  const bus = await startEventBus({
    name: busName,
    onEvent: (event) => delivered.push(event),
    refuse: ({ EventBusName }) => {
      toBreak -= 1;
      if (toBreak >= 0) throw new Error('broken');
      offered += 1;
      names.add(EventBusName);
      toFail -= 1;
      return toFail >= 0 ? 'ThrottlingException' : undefined;
    },
  });
  return {
    ...bus,
    delivered,
    names,
    get continues() {
      return delivered.filter((event) => event['detail-type'] === 'nightshift.run.continue');
    },
    get offered() {
      return offered;
    },
    failNext: (entries) => {
      toFail = entries;
    },
    breakDown: (calls = Number.POSITIVE_INFINITY) => {
      toBreak = calls;
    },
    reset: () => {
      delivered.length = 0;
      names.clear();
      offered = 0;
      toFail = 0;
      toBreak = 0;
    },
  };
}
