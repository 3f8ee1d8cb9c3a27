import "@mantine/core/styles.css";
import "./app.css";
import { createTheme, MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { Refused } from "./api/client";
import { App } from "./app";
import { LanguageProvider } from "./language";

const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
// Windows keep the page below from scrolling by a style of react-remove-scroll, which asks here for its nonce.
Object.assign(globalThis, { __webpack_nonce__: nonce });
const queries = new QueryClient({
  defaultOptions: {
    queries: {
      refetchOnWindowFocus: false,
      // Away or overloaded: for as long as it takes. A refusal stays one.
      retry: (_failures, error) => error instanceof Refused && (error.status === 0 || error.status >= 500),
      retryDelay: (failures) => Math.min(500 * 2 ** failures, 5000),
    },
  },
});

// White on Mantine's own shade of blue is too pale for WCAG's contrast of 4.5. Whoever asked the system for less motion gets none.
const theme = createTheme({ primaryShade: 8, respectReducedMotion: true });

createRoot(document.getElementById("root")!).render(
  <MantineProvider theme={theme} defaultColorScheme="auto" getStyleNonce={() => nonce}>
    <LanguageProvider>
      <QueryClientProvider client={queries}>
        <App />
      </QueryClientProvider>
    </LanguageProvider>
  </MantineProvider>,
);
