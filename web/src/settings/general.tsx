/** The account's name, time zone and region. */
import { Text, TextInput } from "@mantine/core";
import { useState } from "react";
import type { Account } from "../api/client";
import { wallTime } from "../calls/wall_time";
import { Form, Section, useAct } from "../forms";
import { useLanguage } from "../language";
import { useTexts } from "../own_texts";
import { useChange } from "./account";
import { TEXTS } from "./texts";

export function General({ account }: { account: Account }) {
  const text = useTexts(TEXTS);
  const { language } = useLanguage();
  const change = useChange();
  const [name, setName] = useState(account.name ?? "");
  const [zone, setZone] = useState(account.time_zone ?? "");
  const [region, setRegion] = useState(account.region ?? "");
  const save = useAct(() => change({ name, time_zone: zone, region }));
  const there = nowIn(zone);
  return (
    <Section title={text("tab_general")} need="admin">
      <Form act={save} disabled={there === null}>
        <TextInput label={text("name")} required maxLength={255} value={name} onChange={(event) => setName(event.currentTarget.value)} maw={480} />
        <TextInput
          label={text("time_zone")} description={text("time_zone_hint")} required list="zones" value={zone} onChange={(event) => setZone(event.currentTarget.value)} maw={480}
          inputWrapperOrder={["label", "input", "description", "error"]} error={there === null ? text("no_such_zone") : undefined}
        />
        <datalist id="zones">
          {Intl.supportedValuesOf("timeZone").map((each) => <option key={each} value={each} />)}
        </datalist>
        {there !== null && <Text size="sm" role="status">{text("now_there")}: {there}</Text>}
        <TextInput
          label={text("region")} description={text("region_hint")} required pattern="[A-Za-z]{2}" maxLength={2} value={region} onChange={(event) => setRegion(event.currentTarget.value.toUpperCase())} maw={480}
          inputWrapperOrder={["label", "input", "description", "error"]} rightSectionWidth={220} rightSection={<Text size="sm" truncate w={200} ta="right">{countryName(region, language)}</Text>}
        />
      </Form>
    </Section>
  );
}

function nowIn(zone: string): string | null {
  try {
    return wallTime(new Date().toISOString(), zone).slice(0, 16);
  } catch {
    return null;
  }
}

function countryName(region: string, language: string): string {
  return /^[A-Z]{2}$/.test(region) ? (new Intl.DisplayNames(language, { type: "region", fallback: "none" }).of(region) ?? "") : "";
}
