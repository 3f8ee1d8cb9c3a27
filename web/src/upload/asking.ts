/** Asking with patience: through limits, while calldock is away, and past the end of a session. */
import { api, onSignedIn, Refused } from "../api/client";

const LONGEST_PAUSE_MS = 10_000;
const DEFAULT_LIMIT_PAUSE_MS = 5_000;

/** Why nothing goes on at the moment; `untilMs` on the browser's clock, null for as long as it takes. */
export interface Pause {
  why: "limit" | "away" | "session";
  untilMs: number | null;
}

/** Somebody ended it. */
export class Cancelled extends Error {}

/** Who signed in again is another account: nothing more is sent for this one. */
export class OtherAccount extends Error {}

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** One account's questions, until `signal` ends them. */
export class Asking {
  constructor(
    private readonly accountId: string,
    private readonly signal: AbortSignal,
    private readonly onPause: (pause: Pause | null) => void,
  ) {}

  /** The data of an answer, however long calldock lets us wait for it. Throws Refused for what waiting does not help; Cancelled, OtherAccount. */
  async answered<T>(ask: (signal: AbortSignal) => Promise<Answer<T>>): Promise<T> {
    for (let failures = 0; ; failures++) {
      if (this.signal.aborted) throw new Cancelled();
      let answer: Answer<T> | null = null;
      try {
        answer = await ask(this.signal);
      } catch {
        if (this.signal.aborted) throw new Cancelled();
      }
      if (answer?.data !== undefined) return answer.data;
      const status = answer?.response.status ?? 0;
      if (status === 401) await this.untilSignedIn();
      else if (status === 429) await this.paused("limit", retryAfterMs(answer));
      else if (status === 0 || status >= 500) await this.paused("away", Math.min(500 * 2 ** failures, LONGEST_PAUSE_MS));
      else throw new Refused(status, (answer?.error as { message?: string } | undefined)?.message ?? "");
    }
  }

  private async paused(why: "limit" | "away", ms: number): Promise<void> {
    this.onPause({ why, untilMs: Date.now() + ms });
    await this.unlessCancelled((done) => {
      const timer = setTimeout(done, ms);
      return () => clearTimeout(timer);
    });
    this.onPause(null);
  }

  private async untilSignedIn(): Promise<void> {
    this.onPause({ why: "session", untilMs: null });
    await this.unlessCancelled(onSignedIn);
    this.onPause(null);
    // Before anything is sent: it must not come into another account.
    const account = await this.answered((signal) => api.GET("/v1/account", { signal }));
    if (account.account_id !== this.accountId) throw new OtherAccount();
  }

  private async unlessCancelled(begin: (done: () => void) => () => void): Promise<void> {
    let end: (() => void) | undefined;
    await new Promise<void>((done) => {
      end = begin(done);
      this.signal.addEventListener("abort", () => done(), { once: true });
    });
    end?.();
    if (this.signal.aborted) throw new Cancelled();
  }
}

/** How long to wait after a 429: the header's seconds, or what google.rpc.RetryInfo says in the body. */
function retryAfterMs(answer: Answer<unknown> | null): number {
  const header = Number(answer?.response.headers.get("retry-after"));
  if (header > 0) return header * 1000;
  const details = (answer?.error as { details?: { retryDelay?: string }[] } | undefined)?.details ?? [];
  const said = details.map((detail) => Number.parseFloat(detail.retryDelay ?? "")).find((seconds) => seconds > 0);
  return said === undefined ? DEFAULT_LIMIT_PAUSE_MS : said * 1000;
}
