// Talks to the Waybill server; the page itself knows no addresses.

import type { TrackingEvent } from "./timeline";

export interface Parcel {
  number: string;
  recipient: string;
  lastSeen?: TrackingEvent;
}

/** The server answered, but not with what was asked for. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = "ApiError";
  }

  /** Whether asking again later can help. */
  get retryable(): boolean {
    return this.status === 429 || this.status >= 500;
  }
}

export class ApiClient {
  private readonly pending = new Map<string, Promise<unknown>>();

  constructor(
    private readonly base: string,
    private readonly token: string | null,
    private readonly fetcher: typeof fetch = fetch,
  ) {}

  parcel(number: string): Promise<Parcel> {
    return this.once(`/parcels/${encodeURIComponent(number)}`);
  }

  /** Yields every scan of a parcel, one page after the other. */
  async *scans(number: string): AsyncGenerator<TrackingEvent> {
    let after: number | null = 0;
    while (after !== null) {
      const page: { scans: TrackingEvent[]; next: number | null } = await this.request(
        `/parcels/${encodeURIComponent(number)}/scans?after=${after}`,
      );
      yield* page.scans;
      after = page.next;
    }
  }

  /** Shares one request between all who ask for the same address at the same time. */
  private once<T>(path: string): Promise<T> {
    const running = this.pending.get(path);
    if (running) return running as Promise<T>;
    const started = this.request<T>(path).finally(() => this.pending.delete(path));
    this.pending.set(path, started);
    return started;
  }

  private async request<T>(path: string, init: RequestInit = {}): Promise<T> {
    const headers = new Headers(init.headers);
    if (this.token) headers.set("Authorization", `Bearer ${this.token}`);
    const answer = await this.fetcher(this.base + path, { ...init, headers });
    if (!answer.ok) {
      const body = await answer.json().catch(() => ({}));
      throw new ApiError(answer.status, body.error ?? `unexpected status ${answer.status}`);
    }
    return answer.status === 204 ? (undefined as T) : answer.json();
  }
}

/** Runs a function once the caller has been quiet for a while: for boxes that search as you type. */
export function debounce<A extends unknown[]>(run: (...given: A) => void, quiet = 200): (...given: A) => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return (...given: A) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), quiet);
  };
}
