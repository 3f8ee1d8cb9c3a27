/** How long what the account uploaded is kept. */
import { Checkbox, NumberInput, SimpleGrid, Text } from "@mantine/core";
import { useState } from "react";
import type { Account } from "../api/client";
import { Form, Section, useAct } from "../forms";
import { useTexts } from "../own_texts";
import { useChange } from "./account";
import { TEXTS } from "./texts";

const KEPT = ["calls", "recordings", "sources", "payloads", "ext_ids"] as const;
type Kept = (typeof KEPT)[number];
const DAY_S = 86_400;
const MOST_DAYS = 36_500;

export function RetentionTab({ account }: { account: Account }) {
  const text = useTexts(TEXTS);
  const change = useChange();
  const stored = (kept: Kept): number | "" => (account.retention?.[kept] ? Number.parseFloat(account.retention[kept]) / DAY_S : "");
  const [days, setDays] = useState<Record<Kept, number | string>>(() => Object.fromEntries(KEPT.map((kept) => [kept, stored(kept)])) as Record<Kept, number | string>);
  const [understood, setUnderstood] = useState(false);
  const isShorter = (kept: Kept) => days[kept] !== "" && (stored(kept) === "" || Number(days[kept]) < Number(stored(kept)));
  const erases = isShorter("calls") || isShorter("recordings");
  const save = useAct(async () => {
    await change({ retention: Object.fromEntries(KEPT.filter((kept) => days[kept] !== "").map((kept) => [kept, `${Math.max(1, Math.round(Number(days[kept]) * DAY_S))}s`])) });
    setUnderstood(false);
  });
  return (
    <Section title={text("retention")} need="admin">
      <Form act={save} disabled={erases && !understood}>
        <Text size="sm">{text("retention_hint")}</Text>
        <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
          {KEPT.map((kept) => (
            <NumberInput key={kept} label={text(`keep_${kept}`)} min={0} max={MOST_DAYS} decimalScale={4} hideControls value={days[kept]} onChange={(value) => setDays({ ...days, [kept]: value })} />
          ))}
        </SimpleGrid>
        {erases && <Checkbox label={text("understood")} checked={understood} onChange={(event) => setUnderstood(event.currentTarget.checked)} />}
      </Form>
    </Section>
  );
}
