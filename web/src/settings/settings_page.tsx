/** The account's settings, a tab for each kind; the tab is part of the address. */
import { Tabs, Title } from "@mantine/core";
import { useLocation, useParams } from "wouter";
import { useTexts } from "../own_texts";
import type { PageProps } from "../routes";
import { Access } from "./access";
import { General } from "./general";
import { Recordings } from "./recordings";
import { RetentionTab } from "./retention";
import { TEXTS } from "./texts";
import { Webhooks } from "./webhooks";

const TABS = { general: General, recordings: Recordings, access: Access, webhooks: Webhooks, retention: RetentionTab } as const;
const NAMES = Object.keys(TABS) as (keyof typeof TABS)[];

export function SettingsPage({ account }: PageProps) {
  const text = useTexts(TEXTS);
  const { tab } = useParams<{ tab?: string }>();
  const [, go] = useLocation();
  const shown = NAMES.find((name) => name === tab) ?? "general";
  return (
    <div className="scrolls">
      <Title order={1} size="h3">{text("title")}</Title>
      {/* Each stays as it was while one looks at another: what was typed is not lost. */}
      <Tabs value={shown} onChange={(chosen) => go(`/settings/${chosen}`)} keepMounted>
        <Tabs.List mb="md">
          {NAMES.map((name) => <Tabs.Tab key={name} value={name}>{text(`tab_${name}`)}</Tabs.Tab>)}
        </Tabs.List>
        {NAMES.map((name) => {
          const Tab = TABS[name];
          return (
            <Tabs.Panel key={name} value={name} className="sections">
              <Tab account={account} />
            </Tabs.Panel>
          );
        })}
      </Tabs>
    </div>
  );
}
