/** What the token of this session may do, and from which address it comes. */
import { useQuery } from "@tanstack/react-query";
import { APP_HEADERS, Refused } from "./api/client";

export type Need = "read" | "upload" | "admin";

interface Session {
  role: string;
  address: string;
}

const ALLOWS: Record<string, readonly Need[]> = {
  ROLE_ADMIN: ["read", "upload", "admin"],
  ROLE_UPLOAD: ["read", "upload"],
  ROLE_AGENT: ["read", "upload"],
  ROLE_READ: ["read"],
};

async function ask(): Promise<Session> {
  let answer;
  try {
    answer = await fetch("/app/session", { headers: APP_HEADERS });
  } catch {
    throw new Refused(0, "");
  }
  if (!answer.ok) throw new Refused(answer.status, "");
  return (await answer.json()) as Session;
}

/** `may` tells what is allowed; until the answer is there nothing is, and `isKnown` is false. The server decides in any case. */
export function useSession(): { may: (need: Need) => boolean; address: string; isKnown: boolean } {
  const { data } = useQuery({ queryKey: ["session"], queryFn: ask });
  return { may: (need) => (ALLOWS[data?.role ?? ""] ?? []).includes(need), address: data?.address ?? "", isKnown: data !== undefined };
}
