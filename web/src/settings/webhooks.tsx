/** How webhooks are signed, and what they carry beside. */
import { Checkbox, NativeSelect, NumberInput, SimpleGrid, Table, Text, Textarea } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, answered, api } from "../api/client";
import { Asked, Form, Outcome, Section, ShownOnce, useAct, Wide } from "../forms";
import { useTexts } from "../own_texts";
import { Problem } from "../problem";
import { useSession } from "../session";
import { lines, moment } from "./account";
import { TEXTS } from "./texts";

const SCHEMES = ["SIGNATURE_SCHEME_HMAC_SHA256", "SIGNATURE_SCHEME_ED25519"] as const;

export function Webhooks({ account }: { account: Account }) {
  return (
    <>
      <Secrets account={account} />
      <Headers account={account} />
    </>
  );
}

function Secrets({ account }: { account: Account }) {
  const text = useTexts(TEXTS);
  const queries = useQueryClient();
  const { may } = useSession();
  const [made, setMade] = useState<{ secret: string; isKey: boolean } | null>(null);
  const [scheme, setScheme] = useState<(typeof SCHEMES)[number]>("SIGNATURE_SCHEME_HMAC_SHA256");
  const [hours, setHours] = useState<number | string>(24);
  const [endsNow, setEndsNow] = useState(false);
  const secrets = useQuery({ queryKey: ["signingSecrets"], queryFn: () => answered(api.GET("/v1/signingSecrets")), enabled: may("admin") });
  const rotate = useAct(async () => {
    const others = endsNow ? { end_others_now: true } : { overlap: `${Math.round(Number(hours) * 3600)}s` };
    const { secret, signing_secret } = await answered(api.POST("/v1/signingSecrets:rotate", { body: { scheme, ...others } }));
    setMade({ secret: secret || (signing_secret?.public_key ?? ""), isKey: !secret });
    await queries.invalidateQueries({ queryKey: ["signingSecrets"] });
  });
  return (
    <Section title={text("secrets")} need="admin">
      <Text size="sm">{text("secrets_hint")}</Text>
      <Problem error={secrets.error} />
      {made !== null && <ShownOnce title={text(made.isKey ? "the_key" : "the_secret")} secret={made.secret} onClose={() => setMade(null)} />}
      <Wide label={text("secrets")} px={560}>
        <Table aria-label={text("secrets")}>
          <Table.Thead>
            <Table.Tr>{(["scheme", "public_key", "created", "signs_until"] as const).map((each) => <Table.Th key={each}>{text(each)}</Table.Th>)}</Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {(secrets.data?.signing_secrets ?? []).map((each) => (
              <Table.Tr key={each.secret_id}>
                <Table.Td>{text(each.scheme)}</Table.Td>
                <Table.Td className="stranger">{each.public_key || "—"}</Table.Td>
                <Table.Td>{moment(each.create_time, account)}</Table.Td>
                <Table.Td>{each.expire_time ? moment(each.expire_time, account) : text("newest")}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
      <Form act={rotate} label={text("rotate")} quiet>
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <NativeSelect label={text("scheme")} value={scheme} data={SCHEMES.map((each) => ({ value: each, label: text(each) }))} onChange={(event) => setScheme(event.currentTarget.value as typeof scheme)} />
          <NumberInput label={text("overlap")} min={0.01} max={720} value={hours} onChange={setHours} disabled={endsNow} hideControls />
        </SimpleGrid>
        <Checkbox label={text("end_now")} checked={endsNow} onChange={(event) => setEndsNow(event.currentTarget.checked)} />
      </Form>
    </Section>
  );
}

function Headers({ account }: { account: Account }) {
  const text = useTexts(TEXTS);
  const queries = useQueryClient();
  const { may } = useSession();
  const [headers, setHeaders] = useState("");
  const [hosts, setHosts] = useState("");
  const set = useQuery({ queryKey: ["customHeaders"], queryFn: () => answered(api.GET("/v1/customHeaders")), enabled: may("admin") });
  const anew = () => queries.invalidateQueries({ queryKey: ["customHeaders"] });
  const read = lines(headers).map((line) => /^([^:\s]+)\s*:\s*(.+)$/.exec(line));
  const isWrong = read.some((found) => found === null);
  const save = useAct(async () => {
    const named = read.map((found) => ({ name: found?.[1] ?? "", value: found?.[2] ?? "" }));
    await answered(api.POST("/v1/customHeaders:set", { body: { headers: named, receiver_hosts: lines(hosts) } }));
    await anew();
    [setHeaders, setHosts].forEach((empty) => empty(""));
  });
  const remove = useAct(() => answered(api.POST("/v1/customHeaders:delete", { body: {} as never })).then(anew));
  const names = set.data?.names ?? [];
  return (
    <Section title={text("headers")} need="admin">
      <Text size="sm">{text("headers_hint")}</Text>
      <Problem error={set.error} />
      {names.length > 0 ? (
        <>
          <Text className="stranger">{text("are_set")}: {names.join(", ")} {text("for_hosts")} {(set.data?.receiver_hosts ?? []).join(", ")} ({moment(set.data?.set_time, account)})</Text>
          <div><Asked label={text("remove_headers")} of={names.join(", ")} question={text("remove_question")} onYes={remove.run} /></div>
        </>
      ) : <Text size="sm">{text("none")}</Text>}
      <Outcome act={remove} quiet />
      <Form act={save} disabled={isWrong || !read.length || !lines(hosts).length}>
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Textarea label={text("headers_field")} placeholder="x-api-key: …" autosize minRows={2} maxRows={10} autoComplete="off" value={headers} onChange={(event) => setHeaders(event.currentTarget.value)} error={isWrong ? text("not_headers") : undefined} />
          <Textarea label={text("receivers_field")} placeholder="crm.example.com" autosize minRows={2} maxRows={10} value={hosts} onChange={(event) => setHosts(event.currentTarget.value)} />
        </SimpleGrid>
      </Form>
    </Section>
  );
}
