/** How the account's recordings are judged, and what their hosts want to see. */
import { Checkbox, NativeSelect, PasswordInput, SimpleGrid, Table, Text, Textarea, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, answered, api } from "../api/client";
import { Asked, Form, Outcome, Section, useAct, Wide } from "../forms";
import { useTexts } from "../own_texts";
import { Problem } from "../problem";
import { useSession } from "../session";
import { lines, moment, useChange } from "./account";
import { TEXTS } from "./texts";

const RULES = ["AUDIO_RULE_DURATION", "AUDIO_RULE_BAND", "AUDIO_RULE_SIGNAL_TO_NOISE", "AUDIO_RULE_SPEECH"] as const;
const POLICIES = ["RULE_POLICY_REJECT", "RULE_POLICY_WARN", "RULE_POLICY_OFF"] as const;
type Policy = (typeof POLICIES)[number];

export function Recordings({ account }: { account: Account }) {
  return (
    <>
      <Judging account={account} />
      <Hosts account={account} />
    </>
  );
}

function Judging({ account }: { account: Account }) {
  const text = useTexts(TEXTS);
  const change = useChange();
  const { audio } = account;
  const [policies, setPolicies] = useState<Record<string, Policy>>(() => Object.fromEntries((audio?.policies ?? []).map(({ rule, policy }) => [rule, policy])));
  const [wav, setWav] = useState((audio?.wav_content_types ?? []).join("\n"));
  const [mp3, setMp3] = useState((audio?.mp3_content_types ?? []).join("\n"));
  const [takesBare, setTakesBare] = useState(audio?.takes_mp3_without_id3 ?? false);
  const save = useAct(() => {
    const named = RULES.flatMap((rule) => (policies[rule] && policies[rule] !== "RULE_POLICY_REJECT" ? [{ rule, policy: policies[rule] }] : []));
    return change({ audio: { wav_content_types: lines(wav), mp3_content_types: lines(mp3), takes_mp3_without_id3: takesBare, policies: named } as Account["audio"] });
  });
  return (
    <Section title={text("judging")} need="admin">
      <Form act={save}>
        <Text>{text("policies")}</Text>
        <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }}>
          {RULES.map((rule) => (
            <NativeSelect
              key={rule} label={text(rule)} value={policies[rule] ?? "RULE_POLICY_REJECT"} data={POLICIES.map((policy) => ({ value: policy, label: text(policy) }))}
              onChange={(event) => setPolicies({ ...policies, [rule]: event.currentTarget.value as Policy })}
            />
          ))}
        </SimpleGrid>
        <SimpleGrid cols={{ base: 1, sm: 2 }}>
          <Textarea label={text("wav_types")} autosize minRows={2} maxRows={8} value={wav} onChange={(event) => setWav(event.currentTarget.value)} />
          <Textarea label={text("mp3_types")} autosize minRows={2} maxRows={8} value={mp3} onChange={(event) => setMp3(event.currentTarget.value)} />
        </SimpleGrid>
        <Checkbox label={text("no_id3")} checked={takesBare} onChange={(event) => setTakesBare(event.currentTarget.checked)} />
        <Text size="sm">{text("policies_hint")}</Text>
      </Form>
    </Section>
  );
}

function Hosts({ account }: { account: Account }) {
  const text = useTexts(TEXTS);
  const queries = useQueryClient();
  const { may } = useSession();
  const hosts = useQuery({ queryKey: ["recordingHosts"], queryFn: () => answered(api.GET("/v1/recordingHosts")), enabled: may("admin") });
  const anew = () => queries.invalidateQueries({ queryKey: ["recordingHosts"] });
  const forget = useAct((host: string) => answered(api.POST("/v1/recordingHosts:remove", { body: { host } })).then(anew));
  const found = hosts.data?.recording_hosts ?? [];
  return (
    <Section title={text("hosts")} need="admin">
      <Text size="sm">{text("hosts_hint")}</Text>
      <Problem error={hosts.error} />
      {found.length > 0 ? (
        <Wide label={text("hosts")} px={480}>
          <Table aria-label={text("hosts")}>
            <Table.Thead>
              <Table.Tr><Table.Th>{text("host")}</Table.Th><Table.Th>{text("header_name")}</Table.Th><Table.Th>{text("set_time")}</Table.Th><Table.Td /></Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {found.map(({ host, header_name, set_time }) => (
                <Table.Tr key={host}>
                  <Table.Td className="stranger">{host}</Table.Td>
                  <Table.Td className="stranger">{header_name}</Table.Td>
                  <Table.Td>{moment(set_time, account)}</Table.Td>
                  <Table.Td><Asked label={text("forget")} of={host} question={text("forget_question")} onYes={() => forget.run(host)} /></Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Wide>
      ) : <Text size="sm">{text("none")}</Text>}
      <Outcome act={forget} quiet />
      <NewHost onDone={anew} />
    </Section>
  );
}

function NewHost({ onDone }: { onDone: () => Promise<void> }) {
  const text = useTexts(TEXTS);
  const [host, setHost] = useState("");
  const [kind, setKind] = useState<"bearer" | "basic" | "header">("bearer");
  const [name, setName] = useState("");
  const [secret, setSecret] = useState("");
  const save = useAct(async () => {
    const credential = kind === "bearer" ? { bearer_token: secret } : kind === "basic" ? { basic: { username: name, password: secret } } : { header: { name, value: secret } };
    await answered(api.POST("/v1/recordingHosts:set", { body: { host: host.trim(), ...credential } }));
    await onDone();
    [setHost, setName, setSecret].forEach((set) => set(""));
  });
  return (
    <Form act={save} label={text("set_host")}>
      <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }}>
        <TextInput label={text("host")} placeholder="pbx.example.com" required value={host} onChange={(event) => setHost(event.currentTarget.value)} description={text("host_hint")} inputWrapperOrder={["label", "input", "description", "error"]} />
        <NativeSelect label={text("kind")} value={kind} onChange={(event) => setKind(event.currentTarget.value as typeof kind)} data={(["bearer", "basic", "header"] as const).map((each) => ({ value: each, label: text(each) }))} />
        {kind !== "bearer" && <TextInput label={text(kind === "basic" ? "username" : "header_name")} required value={name} autoComplete="off" onChange={(event) => setName(event.currentTarget.value)} />}
        <PasswordInput label={text(kind === "bearer" ? "token" : kind === "basic" ? "password" : "value")} required={kind !== "basic"} value={secret} autoComplete="new-password" onChange={(event) => setSecret(event.currentTarget.value)} />
      </SimpleGrid>
    </Form>
  );
}
