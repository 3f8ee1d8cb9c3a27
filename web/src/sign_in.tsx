/** Signing in by an access token: the whole page at first, a window above the page when a session ends in mid-work. */
import { Alert, Button, Paper, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Refused, signIn } from "./api/client";
import { useLanguage } from "./language";

export function SignIn({ reason, onDone, isWindow = false }: { reason: string; onDone: () => void; isWindow?: boolean }) {
  const { text } = useLanguage();
  const [token, setToken] = useState("");
  const [refusal, setRefusal] = useState(reason);
  const [busy, setBusy] = useState(false);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    try {
      await signIn({ access_token: token });
      setToken("");
      onDone();
    } catch (error) {
      setRefusal(error instanceof Refused && error.status !== 0 ? error.message : text("away"));
    } finally {
      setBusy(false);
    }
  }

  return (
    <Paper component="section" aria-label={text("sign_in")} maw={440} mx="auto" w="100%" {...(isWindow ? { p: 0 } : { mt: "xl", p: "lg", withBorder: true })}>
      <form onSubmit={(event) => void submit(event)}>
        <Stack>
          {!isWindow && (
            <Title order={1} size="h3">
              calldock
            </Title>
          )}
          {refusal && (
            <Alert color="red" role="alert">
              {refusal}
            </Alert>
          )}
          <PasswordInput label={text("access_token")} autoComplete="off" value={token} onChange={(event) => setToken(event.currentTarget.value)} data-autofocus />
          <Text size="sm" c="dimmed">
            {text("token_hint")}
          </Text>
          <Button type="submit" loading={busy} disabled={!token.trim()}>
            {text("sign_in")}
          </Button>
        </Stack>
      </form>
    </Paper>
  );
}
