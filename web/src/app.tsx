/** The frame of the client area: who is signed in, language and theme, and the page of the address. */
import { Alert, Button, Modal, Text, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { answered, api, onSignedOut, Refused, signIn, signOut } from "./api/client";
import { CallsPage } from "./calls/calls_page";
import { useLanguage } from "./language";
import { SignIn } from "./sign_in";

/** Takes the code of a one-time link out of the address, before anything else can read it there. */
function takeCode(): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code !== null) history.replaceState(null, "", location.pathname + location.search);
  return code;
}

const firstCode = takeCode();
const signedInByCode = firstCode === null ? Promise.resolve("") : signIn({ code: firstCode }).then(() => "", (error: Refused) => error.message);

export function App() {
  const { text } = useLanguage();
  const queries = useQueryClient();
  const [refusedCode, setRefusedCode] = useState<string | null>(null);
  const [over, setOver] = useState(false);
  const wasIn = useRef(false);
  useEffect(() => void signedInByCode.then(setRefusedCode), []);
  const account = useQuery({ queryKey: ["account"], queryFn: () => answered(api.GET("/v1/account")), enabled: refusedCode !== null });
  useEffect(() => onSignedOut(() => wasIn.current && setOver(true)), []);
  if (account.data) wasIn.current = true;
  const again = () => {
    setOver(false);
    void queries.invalidateQueries();
  };

  if (account.data === undefined) {
    const isAway = account.failureReason instanceof Refused && account.failureReason.status !== 401;
    if (account.isError && !isAway) return <SignIn reason={refusedCode ?? ""} onDone={() => void account.refetch()} />;
    return <p role="status">{isAway ? account.failureReason?.message || text("away") : text("loading")}</p>;
  }
  return (
    <div className="page">
      <Head name={account.data.name ?? ""} />
      {account.failureReason instanceof Refused && account.failureReason.status === 0 && <Alert color="yellow">{text("away")}</Alert>}
      <CallsPage timeZone={account.data.time_zone ?? "UTC"} key={account.data.account_id} />
      <Modal opened={over} onClose={() => setOver(false)} withCloseButton={false} transitionProps={{ duration: 0 }}>
        <SignIn reason={text("session_over")} onDone={again} />
      </Modal>
    </div>
  );
}

function Head({ name }: { name: string }) {
  const { text, language, setLanguage } = useLanguage();
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme();
  return (
    <header className="head">
      <Text component="span" fw={700}>
        calldock
      </Text>
      <span className="account">{name}</span>
      <Button size="compact-sm" variant="subtle" onClick={() => setColorScheme(scheme === "dark" ? "light" : "dark")} aria-label={text("theme")}>
        {scheme === "dark" ? "☀" : "☾"}
      </Button>
      <Button size="compact-sm" variant="subtle" lang={language === "en" ? "ru" : "en"} onClick={() => setLanguage(language === "en" ? "ru" : "en")}>
        {text("language")}
      </Button>
      <Button size="compact-sm" variant="default" onClick={() => void signOut().then(() => location.reload())}>
        {text("sign_out")}
      </Button>
    </header>
  );
}
