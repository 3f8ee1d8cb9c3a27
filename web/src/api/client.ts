/** The API as its OpenAPI document describes it, in the session of this browser. */
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema";

export type Call = components["schemas"]["Call"];
export type Account = components["schemas"]["Account"];
export type CallStatus = components["schemas"]["CallStatus"];
export type RecordingErrorCode = components["schemas"]["RecordingErrorCode"];

/** Beside it the session's cookie counts; another site's page cannot send it. */
export const APP_HEADERS = { "x-calldock-app": "1" };

type Listener = () => void;
const listeners = new Set<Listener>();

/** Calls back when an answer says that the session is over. Returns what ends that. */
export function onSignedOut(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Looks whether an answer says that the session is over; for what does not go through `api`. */
export function heedSession(answer: Response): void {
  if (answer.status === 401) listeners.forEach((tell) => tell());
}

const signInListeners = new Set<Listener>();

/** Calls back when somebody signed in, which may be another account. Returns what ends that. */
export function onSignedIn(listener: Listener): () => void {
  signInListeners.add(listener);
  return () => signInListeners.delete(listener);
}

const watchSession: Middleware = {
  onResponse({ response }) {
    heedSession(response);
  },
};

export const api = createClient<paths>({ baseUrl: "/", headers: APP_HEADERS, querySerializer: { array: { style: "form", explode: true } } });
api.use(watchSession);

/** What the server said against a request, with its HTTP status; 0 when it did not answer. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The data of an answer. Throws Refused. */
export async function answered<T>(asked: Promise<{ data?: T; error?: unknown; response: Response }>): Promise<T> {
  let answer;
  try {
    answer = await asked;
  } catch {
    throw new Refused(0, "");
  }
  if (answer.data === undefined) throw new Refused(answer.response.status, (answer.error as { message?: string } | undefined)?.message ?? "");
  return answer.data;
}

/** Signs this browser in, by an access token or by the code of a one-time link. Throws Refused. */
export async function signIn(credential: { access_token: string } | { code: string }): Promise<void> {
  let answer;
  try {
    answer = await fetch("/app/session", { method: "POST", headers: { ...APP_HEADERS, "content-type": "application/json" }, body: JSON.stringify(credential) });
  } catch {
    throw new Refused(0, "");
  }
  if (!answer.ok) throw new Refused(answer.status, ((await answer.json().catch(() => ({}))) as { message?: string }).message ?? "");
  signInListeners.forEach((tell) => tell());
}

/** Takes the session away from this browser. */
export async function signOut(): Promise<void> {
  await fetch("/app/session", { method: "DELETE", headers: APP_HEADERS });
}
