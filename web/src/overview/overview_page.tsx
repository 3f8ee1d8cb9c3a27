/** An account's day at a glance: calls an hour, verdicts, how long they took, receivers that fail. */
import { Alert, Group, NativeSelect, Paper, Progress, SimpleGrid, Table, Text, Title } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "wouter";
import { type Account, answered, api } from "../api/client";
import { type ErrorCode, ERRORS } from "../call/explain";
import { wallTime } from "../calls/wall_time";
import { Wide } from "../forms";
import { useLanguage } from "../language";
import { useTexts } from "../own_texts";
import { Problem } from "../problem";
import type { PageProps } from "../routes";
import { Bars } from "./charts";
import { barsOf, type Days, type Overview, PERIODS, timeOf } from "./counting";
import { TEXTS } from "./texts";

/** How often the numbers are asked for anew: each time weighs a point. */
const EVERY_MS = 60_000;
const COLORS = { errors: "var(--mantine-color-red-7)", others: "var(--mantine-color-blue-6)" };

export function OverviewPage({ account }: PageProps) {
  const text = useTexts(TEXTS);
  const [search, setSearch] = useSearchParams();
  const days = PERIODS.find((each) => String(each) === search.get("days")) ?? 1;
  const numbers = useQuery({
    queryKey: ["overview", days],
    queryFn: async () => {
      const time = timeOf(days, Date.now());
      const query = { start_time_from: time.from.toISOString(), start_time_before: time.before.toISOString() };
      return { days, time, found: await answered(api.GET("/v1/overview", { params: { query } })) };
    },
    refetchInterval: EVERY_MS,
    placeholderData: keepPreviousData,
  });
  return (
    <div className="scrolls">
      <Group justify="space-between">
        <Title order={1} size="h3">{text("title")}</Title>
        <NativeSelect
          aria-label={text("period")} value={days} data={PERIODS.map((each) => ({ value: String(each), label: text(`days_${each}`) }))}
          onChange={(event) => setSearch({ days: event.currentTarget.value }, { replace: true })}
        />
      </Group>
      <Problem error={numbers.failureReason} />
      {numbers.data && <Numbers {...numbers.data} account={account} />}
      <Receivers account={account} />
    </div>
  );
}

function Numbers({ found, time, days, account }: { found: Overview; time: { from: Date; before: Date }; days: Days; account: Account }) {
  const text = useTexts(TEXTS);
  const timeZone = account.time_zone ?? "UTC";
  const bars = barsOf(found, time, days, timeZone);
  const sum = (key: "errors" | "others" | "lost") => bars.reduce((all, bar) => all + bar[key], 0);
  const total = sum("errors") + sum("others");
  const waits = found.waits.map(({ at_most, calls }) => ({ name: text(at_most ? (`seconds_${Number.parseInt(at_most)}` as "seconds_10") : "longer"), calls: Number(calls) }));
  return (
    <>
      {found.is_cut && <Alert color="yellow">{text("cut")}</Alert>}
      <SimpleGrid cols={{ base: 2, sm: 4 }}>
        <Tile name={text("calls")} value={total} />
        <Tile name={text("lost")} value={sum("lost")} />
        <Tile name={text("errors")} value={sum("errors")} />
        <Tile name={text("open")} value={Number(found.open_calls)} more={found.oldest_open_time && `${text("oldest")} ${wallTime(found.oldest_open_time, timeZone).slice(0, 16)}`} />
      </SimpleGrid>
      {total === 0 ? <Text>{text("none")}</Text> : (
        <>
          <Bars title={text(days === 1 ? "by_hour" : "by_day")} rowName={text("when")} rows={bars} series={[{ key: "others", name: text("others"), color: COLORS.others }, { key: "errors", name: text("errors"), color: COLORS.errors }]} />
          <Verdicts found={found} />
          <Bars title={text("waits")} rowName={text("took")} rows={waits} series={[{ key: "calls", name: text("calls"), color: COLORS.others }]} />
        </>
      )}
    </>
  );
}

function Tile({ name, value, more }: { name: string; value: number; more?: string }) {
  const { language } = useLanguage();
  return (
    <Paper withBorder p="sm">
      <Text size="sm">{name}</Text>
      <Text fw={700} fz={28}>{value.toLocaleString(language)}</Text>
      {more && <Text size="xs">{more}</Text>}
    </Paper>
  );
}

function Verdicts({ found }: { found: Overview }) {
  const text = useTexts(TEXTS);
  const { language } = useLanguage();
  const total = found.verdicts.reduce((all, { calls }) => all + Number(calls), 0);
  const isRefused = (code: string) => code !== "RECORDING_ERROR_CODE_UNSPECIFIED";
  return (
    <section>
      <Title order={2} size="h4" mb="xs">{text("verdicts")}</Title>
      <Wide label={text("verdicts")} px={480}>
        <Table aria-label={text("verdicts")}>
          <Table.Thead>
            <Table.Tr><Table.Th>{text("verdict")}</Table.Th><Table.Th w={100}>{text("calls")}</Table.Th><Table.Td w="30%" /></Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {found.verdicts.map(({ error_code, calls }) => (
              <Table.Tr key={error_code}>
                <Table.Td>
                  {isRefused(error_code) ? (
                    <>
                      <code>{error_code.replace("RECORDING_ERROR_CODE_", "").toLowerCase()}</code>
                      <Text size="sm">{ERRORS[error_code as ErrorCode]?.means[language === "en" ? 0 : 1]}</Text>
                    </>
                  ) : text("accepted")}
                </Table.Td>
                <Table.Td>{Number(calls).toLocaleString(language)}</Table.Td>
                <Table.Td><Progress value={total ? (100 * Number(calls)) / total : 0} color={isRefused(error_code) ? "red.7" : "blue.6"} aria-hidden /></Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
      {found.verdicts.some(({ error_code }) => isRefused(error_code)) && <Text mt="xs"><Link href="/calls?status=error" className="link">{text("see_errors")}</Link></Text>}
    </section>
  );
}

function Receivers({ account }: { account: Account }) {
  const text = useTexts(TEXTS);
  const receivers = useQuery({ queryKey: ["receivers"], queryFn: () => answered(api.GET("/v1/receivers")), refetchInterval: EVERY_MS });
  const failing = (receivers.data?.receivers ?? []).filter(({ state }) => state !== "RECEIVER_STATE_HEALTHY");
  return (
    <section>
      <Title order={2} size="h4" mb="xs">{text("receivers")}</Title>
      <Problem error={receivers.failureReason} />
      {receivers.data && !failing.length && <Text>{text("all_well")}</Text>}
      {failing.length > 0 && (
        <Wide label={text("receivers")} px={640}>
          <Table aria-label={text("receivers")}>
            <Table.Thead>
              <Table.Tr>{(["receiver", "state", "since", "reason", "waiting"] as const).map((each) => <Table.Th key={each}>{text(each)}</Table.Th>)}</Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {failing.map((each) => (
                <Table.Tr key={each.host}>
                  <Table.Td className="stranger">{each.host}</Table.Td>
                  <Table.Td>{text(each.state)}</Table.Td>
                  <Table.Td>{wallTime(each.failing_since_time, account.time_zone ?? "UTC").slice(0, 16)}</Table.Td>
                  <Table.Td className="stranger">{each.reason.slice(0, 300)}</Table.Td>
                  <Table.Td>{each.waiting_calls}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Wide>
      )}
    </section>
  );
}
