/** The calls of a view: page after page as one scrolls, and every change as it comes. */
import { useCallback, useEffect, useRef, useState } from "react";
import { answered, api, type Call, Refused } from "../api/client";
import { isJudgedElsewhere, query, type View } from "./filters";
import { applied, type Change, renewed, watch } from "./live";

const FIRST_PAGE = 200;
const PAGE = 500;
/** Changes are gathered for so long, so that a storm of them costs the list one look each time. */
const GATHERED_MS = 100;
/** However many changes come, the first page is asked for again this often at most. */
const ASKED_AGAIN_MS = 1000;

export interface Loaded {
  calls: readonly Call[];
  isWhole: boolean;
  isLive: boolean;
  isLoading: boolean;
  /** How many views, or the same anew, have been answered. */
  answers: number;
  /** How many calls came by themselves, beside those of the pages. */
  come: number;
  problem: Refused | null;
  more: () => void;
}

/** Loads the view's first page and follows it; `more` loads the next page. `generation` changes when all is to be asked anew. */
export function useCalls(view: View, timeZone: string, generation: number, onLost: () => void): Loaded {
  const filters = JSON.stringify(query(view, timeZone));
  const [calls, setCalls] = useState<readonly Call[]>([]);
  const [next, setNext] = useState<string | null>("");
  const [cursor, setCursor] = useState<string | null>(null);
  const [isLive, setLive] = useState(false);
  const [isLoading, setLoading] = useState(false);
  const [problem, setProblem] = useState<Refused | null>(null);
  const [answers, setAnswers] = useState(0);
  const [paged, setPaged] = useState(0);
  const current = useRef("");
  const busy = useRef(false);
  const latest = useRef(view);
  latest.current = view;
  const isWhole = useRef(false);
  isWhole.current = next === null;

  const load = useCallback(
    async (pageToken: string) => {
      const mine = `${filters} ${generation}`;
      if (busy.current && current.current === mine) return;
      current.current = mine;
      busy.current = true;
      setLoading(true);
      try {
        const page = await answered(api.GET("/v1/calls", { params: { query: { ...JSON.parse(filters), page_size: pageToken ? PAGE : FIRST_PAGE, ...(pageToken ? { page_token: pageToken } : {}) } } }));
        if (current.current !== mine) return;
        setCalls((before) => (pageToken ? [...before, ...(page.calls ?? [])] : (page.calls ?? [])));
        setPaged((before) => (pageToken ? before : 0) + (page.calls?.length ?? 0));
        if (!pageToken) setAnswers((before) => before + 1);
        setNext(page.next_page_token || null);
        if (!pageToken) setCursor(page.watch_cursor ?? null);
        setProblem(null);
      } catch (error) {
        if (current.current === mine) setProblem(error instanceof Refused ? error : new Refused(0, String(error)));
      } finally {
        if (current.current === mine) {
          busy.current = false;
          setLoading(false);
        }
      }
    },
    [filters, generation],
  );

  useEffect(() => {
    setCursor(null);
    void load("");
  }, [load]);

  useEffect(() => {
    // A refusal of what was asked stays one; a session that is over is begun anew beside us.
    if (problem === null || (problem.status !== 0 && problem.status !== 401 && problem.status < 500)) return;
    const again = setTimeout(() => void load(calls.length ? (next ?? "") : ""), 2000);
    return () => clearTimeout(again);
  }, [problem, load, next, calls.length]);

  useEffect(() => {
    if (cursor === null) return;
    const ending = new AbortController();
    let waiting: ReturnType<typeof setTimeout> | undefined;
    async function askAgain() {
      waiting = undefined;
      const { data } = await api.GET("/v1/calls", { params: { query: { ...JSON.parse(filters), page_size: FIRST_PAGE } }, signal: ending.signal }).catch(() => ({ data: undefined }));
      if (data !== undefined && !ending.signal.aborted) setCalls((before) => renewed(before, data.calls ?? [], latest.current, !data.next_page_token));
    }
    let gathering: ReturnType<typeof setTimeout> | undefined;
    const gathered = new Map<string, Change>();
    function take() {
      gathering = undefined;
      const changes = [...gathered.values()];
      gathered.clear();
      setCalls((before) => applied(before, changes, latest.current, timeZone, isWhole.current));
    }
    function follow(change: Change) {
      gathered.set(change.call_session_id, change);
      gathering ??= setTimeout(take, GATHERED_MS);
      if (isJudgedElsewhere(latest.current)) waiting ??= setTimeout(() => void askAgain(), ASKED_AGAIN_MS);
    }
    void watch(cursor, ending.signal, follow, setLive, onLost);
    return () => {
      ending.abort();
      clearTimeout(waiting);
      clearTimeout(gathering);
    };
  }, [cursor, timeZone, onLost, filters]);

  const more = useCallback(() => {
    if (next) void load(next);
  }, [next, load]);
  return { calls, isWhole: next === null, isLive, isLoading, answers, come: Math.max(0, calls.length - paged), problem, more };
}

/** Every call of a view, page after page, for a file. Throws Refused. */
export async function allCalls(view: View, timeZone: string): Promise<Call[]> {
  const found: Call[] = [];
  for (let token = ""; ; ) {
    const page = await answered(api.GET("/v1/calls", { params: { query: { ...query(view, timeZone), page_size: 1000, ...(token ? { page_token: token } : {}) } } }));
    found.push(...(page.calls ?? []));
    token = page.next_page_token ?? "";
    if (!token) return found;
  }
}
