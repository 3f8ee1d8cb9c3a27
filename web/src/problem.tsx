/** What went wrong, said to the person: by a request, or in a page of ours. */
import { Alert, Button } from "@mantine/core";
import { Component, type ReactNode } from "react";
import { Refused } from "./api/client";
import { useLanguage } from "./language";

/** Says why a request failed; nothing when it did not. `error` is what `answered` threw. */
export function Problem({ error }: { error: unknown }) {
  const { text } = useLanguage();
  // For a session that is over the frame shows signing in.
  if (error === null || error === undefined || (error instanceof Refused && error.status === 401)) return null;
  const refusal = error instanceof Refused && error.status !== 0 && error.status < 500 ? error.message : "";
  return (
    <Alert color={refusal ? "red" : "yellow"} role="alert">
      {refusal || text("away")}
    </Alert>
  );
}

/** Keeps the frame alive when a page throws. */
export class Guarded extends Component<{ children: ReactNode }, { broke: boolean }> {
  override state = { broke: false };

  static getDerivedStateFromError() {
    return { broke: true };
  }

  override render() {
    return this.state.broke ? <Broken /> : this.props.children;
  }
}

function Broken() {
  const { text } = useLanguage();
  return (
    <Alert color="red" role="alert" m="md">
      {text("page_broke")} <Button onClick={() => location.reload()}>{text("reload")}</Button>
    </Alert>
  );
}
