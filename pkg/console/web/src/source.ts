// One stream of the server's, which is opened anew as often as it ends.

/** What a stream tells: an event of the server's, that it is connected, or that it is not. */
export type Told = { kind: 'event'; event: string; data: string } | { kind: 'up'; again: boolean } | { kind: 'down' };

const silent = 40_000; // the server says something every 15 s
const waits = [500, 1000, 2000, 4000, 8000, 15_000];

/** The time until the next try, in milliseconds, with up to a third more so that browsers do not come back all at once. */
export const wait = (tries: number, random = Math.random()) => waits[Math.min(tries, waits.length - 1)]! * (1 + random / 3);

export class Source {
  private es: EventSource | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private watch: ReturnType<typeof setTimeout> | undefined;
  private tries = 0;
  private was = false;
  private over = false;

  constructor(private readonly url: string, private readonly tell: (told: Told) => void) {
    this.open();
  }

  private open(): void {
    this.retry = undefined;
    const es = new EventSource(this.url);
    this.es = es;
    es.onopen = () => {
      this.tries = 0;
      this.tell({ kind: 'up', again: this.was });
      this.was = true;
      this.alive();
    };
    es.onerror = () => this.again();
    for (const event of ['view', 'gone', 'reset', 'ping', 'bye']) {
      es.addEventListener(event, (e) => {
        this.alive();
        if (event === 'ping') return;
        this.tell({ kind: 'event', event, data: (e as MessageEvent<string>).data });
        if (event === 'bye') this.close();
      });
    }
    this.alive();
  }

  private alive(): void {
    clearTimeout(this.watch);
    if (!this.over) this.watch = setTimeout(() => this.again(), silent);
  }

  private again(): void {
    if (this.over) return;
    this.es?.close();
    clearTimeout(this.watch);
    clearTimeout(this.retry);
    this.tell({ kind: 'down' });
    this.retry = setTimeout(() => this.open(), wait(this.tries++));
  }

  /** Tries at once, where it waits for its next try: somebody has come, or has logged in. */
  hurry(): void {
    if (this.retry === undefined || this.over) return;
    clearTimeout(this.retry);
    this.open();
  }

  close(): void {
    this.over = true;
    this.es?.close();
    clearTimeout(this.watch);
    clearTimeout(this.retry);
  }
}
