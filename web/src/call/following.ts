/** One call as it stands and as it changes, with its notifications and the names of its numbers. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useState } from "react";
import { answered, api, type Call, Refused } from "../api/client";
import type { components } from "../api/schema";
import { watch } from "../calls/live";
import { int64, recordingsOf } from "./recordings";

export type Notification = components["schemas"]["Notification"];
const ENDED = ["CALL_STATUS_PROCESSED", "CALL_STATUS_ERROR", "CALL_STATUS_CANCELLED"];

/** Whether no work on a call is to come by itself. */
export function hasEnded(call: Call): boolean {
  return ENDED.includes(call.status ?? "");
}

export interface Followed {
  /** Undefined until it was read, and when there is none. */
  call: Call | undefined;
  isMissing: boolean;
  /** It was there and is gone. */
  isDeleted: boolean;
  isLive: boolean;
  error: unknown;
}

/** Follows a call by its number. A tab that nobody sees does not listen for changes of a call that has ended: an account has ten streams at each server. */
export function useCall(id: string): Followed {
  const queries = useQueryClient();
  const isNumber = /^[1-9]\d{0,18}$/.test(id);
  const read = useQuery({
    queryKey: ["call", id],
    queryFn: () => answered(api.GET("/v1/calls/{call_session_id}", { params: { path: { call_session_id: int64(id) } } })),
    enabled: isNumber,
    // A download that is put off once more is no change of the call: nobody tells of it.
    refetchInterval: ({ state }) => (state.data && recordingsOf(state.data).some((each) => each.recording?.next_download_time) ? 3000 : false),
  });
  const [isDeleted, setDeleted] = useState(false);
  const [isLive, setLive] = useState(false);
  const isSeen = useSeen();
  const isGone = read.error instanceof Refused && [400, 404].includes(read.error.status);
  const follows = isNumber && !isDeleted && !isGone && (isSeen || (read.data !== undefined && !hasEnded(read.data)));
  const refresh = useCallback(() => {
    void queries.invalidateQueries({ queryKey: ["call", id] });
    void queries.invalidateQueries({ queryKey: ["notifications", id] });
  }, [queries, id]);
  const [generation, setGeneration] = useState(0);

  useEffect(() => {
    if (!follows) return;
    const ending = new AbortController();
    void watch(
      "",
      ending.signal,
      (change) => {
        if (change.call_session_id !== id) return;
        if (change.is_deleted) setDeleted(true);
        else refresh();
      },
      (live) => {
        setLive(live);
        // What changed before the stream began is read anew.
        if (live) refresh();
      },
      () => setGeneration((count) => count + 1),
    );
    return () => {
      ending.abort();
      setLive(false);
    };
  }, [follows, id, refresh, generation]);

  const isLost = isGone && read.data !== undefined;
  return { call: isDeleted || isGone ? undefined : read.data, isMissing: !isNumber || (isGone && !isLost), isDeleted: isDeleted || isLost, isLive, error: isGone ? null : read.failureReason };
}

function useSeen(): boolean {
  const [isSeen, setSeen] = useState(document.visibilityState === "visible");
  useEffect(() => {
    const look = () => setSeen(document.visibilityState === "visible");
    document.addEventListener("visibilitychange", look);
    return () => document.removeEventListener("visibilitychange", look);
  }, []);
  return isSeen;
}

/** The newest 100 notifications of a call, oldest first, asked anew while one waits or is still to come. */
export function useNotifications(call: Call) {
  const id = call.call_session_id ?? "";
  return useQuery({
    queryKey: ["notifications", id],
    queryFn: async () => (await answered(api.GET("/v1/notifications", { params: { query: { call_session_id: int64(id) } } }))).notifications?.toReversed() ?? [],
    enabled: call.callback !== undefined,
    refetchInterval: (query) => pauseMs(call, query.state.data ?? []),
  });
}

/** How long until notifications may look otherwise; false for never. */
function pauseMs(call: Call, notifications: readonly Notification[]): number | false {
  const waiting = notifications.filter((each) => each.status === "NOTIFICATION_STATUS_WAITING");
  const next = Math.min(...waiting.map((each) => Date.parse(each.next_attempt_time ?? "") || Date.now()));
  if (waiting.length) return Math.min(Math.max(next - Date.now(), 2000), 60_000);
  // Told a moment after the status changed.
  return !hasEnded(call) || Date.now() - Date.parse(call.status_time ?? "") < 20_000 ? 2000 : false;
}

type Named = { id: string; name: string };
const LISTS = {
  site: async (page_token?: string) => {
    const page = await answered(api.GET("/v1/sites", { params: { query: { page_size: 1000, page_token } } }));
    return { rows: (page.sites ?? []).map((each): Named => ({ id: each.site_id ?? "", name: each.name ?? "" })), next: page.next_page_token };
  },
  campaign: async (page_token?: string) => {
    const page = await answered(api.GET("/v1/campaigns", { params: { query: { page_size: 1000, page_token } } }));
    return { rows: (page.campaigns ?? []).map((each): Named => ({ id: each.campaign_id ?? "", name: each.name ?? "" })), next: page.next_page_token };
  },
  source: async (page_token?: string) => {
    const page = await answered(api.GET("/v1/sources", { params: { query: { page_size: 1000, page_token } } }));
    return { rows: (page.sources ?? []).map((each): Named => ({ id: each.source_id ?? "", name: each.name ?? "" })), next: page.next_page_token };
  },
};

/** What the directory calls a number; empty when it has no such name. */
export function useName(list: keyof typeof LISTS, id: string | undefined): string {
  const found = useQuery({
    queryKey: ["name", list, id],
    queryFn: async () => {
      for (let token: string | undefined = undefined; ; ) {
        const page: { rows: Named[]; next?: string } = await LISTS[list](token);
        const row = page.rows.find((each) => each.id === id);
        if (row || !page.next) return row?.name ?? "";
        token = page.next;
      }
    },
    enabled: id !== undefined,
    staleTime: 300_000,
  });
  return found.data ?? "";
}
