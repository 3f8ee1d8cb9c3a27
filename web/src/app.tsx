/** The frame of the client area: who is signed in, language and theme, and the page of the address. */
import { Button, Modal, Text, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Suspense, useEffect, useRef, useState } from "react";
import { Link, Redirect, Route, Router, Switch, useRoute } from "wouter";
import { answered, api, onSignedOut, Refused, signIn, signOut } from "./api/client";
import { useLanguage } from "./language";
import { Guarded, Problem } from "./problem";
import { ROUTES, type Route as PageRoute } from "./routes";
import { SignIn } from "./sign_in";
import { shown } from "./strangers";

/** Takes the code of a one-time link out of the address, before anything else can read it there. */
function takeCode(): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (code !== null) history.replaceState(null, "", location.pathname + location.search);
  return code;
}

const firstCode = takeCode();
// A link that is opened where the app is open already changes the part behind the # alone.
addEventListener("hashchange", () => new URLSearchParams(location.hash.slice(1)).has("code") && location.reload());
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
  const known = account.data;
  return (
    <Router base="/app">
      <div className="page">
        <a className="skip" href="#page">
          {text("skip")}
        </a>
        <Head name={known.name ?? ""} />
        {account.failureReason instanceof Refused && account.failureReason.status !== 401 && <Problem error={account.failureReason} />}
        <main id="page" tabIndex={-1}>
          <Suspense fallback={<p role="status">{text("loading")}</p>}>
            <Switch>
              {ROUTES.map(({ path, Page }) => (
                <Route key={path} path={path}>
                  <Guarded>
                    <Page account={known} key={known.account_id} />
                  </Guarded>
                </Route>
              ))}
              <Route path="/">
                <Redirect to={ROUTES[0]!.path} replace />
              </Route>
              <Route>
                <p>{text("not_found")}</p>
              </Route>
            </Switch>
          </Suspense>
        </main>
        <Modal opened={over} zIndex={1000} onClose={() => undefined} withCloseButton={false} closeOnEscape={false} closeOnClickOutside={false} title={text("sign_in")} transitionProps={{ duration: 0 }}>
          <SignIn reason={text("session_over")} onDone={again} isWindow />
        </Modal>
      </div>
    </Router>
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
      <nav aria-label={text("navigation")}>
        {ROUTES.filter((route) => route.title).map((route) => (
          <Tab key={route.path} route={route} />
        ))}
      </nav>
      <span className="account">{shown(name)}</span>
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

function Tab({ route }: { route: PageRoute }) {
  const { text } = useLanguage();
  const [isHere] = useRoute(route.path);
  return (
    <Link href={route.path.replace(/\/:.*/, "")} className="tab" aria-current={isHere ? "page" : undefined}>
      {text(route.title!)}
    </Link>
  );
}
