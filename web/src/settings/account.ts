/** Changes of the account's own settings, and moments on its clock. */
import { useQueryClient } from "@tanstack/react-query";
import { type Account, answered, api } from "../api/client";
import { wallTime } from "../calls/wall_time";

type Setting = "name" | "time_zone" | "region" | "allowed_networks" | "audio" | "retention";

/** Changes some settings; the rest of the page sees them at once. Throws Refused. */
export function useChange(): (values: Pick<Account, Setting>) => Promise<void> {
  const queries = useQueryClient();
  return async (values) => {
    const update_mask = Object.keys(values).join(",");
    const changed = await answered(api.PATCH("/v1/account", { params: { query: { update_mask } }, body: values as Account }));
    queries.setQueryData(["account"], changed);
  };
}

/** A moment by the account's clock, without seconds. */
export function moment(time: string | undefined, account: Account): string {
  return wallTime(time, account.time_zone ?? "UTC").slice(0, 16);
}

/** The lines of a text that say something. */
export function lines(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter(Boolean);
}
