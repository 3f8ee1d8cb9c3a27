/** Who gets in: the networks from which tokens work, and the tokens. */
import { Alert, NativeSelect, SimpleGrid, Table, Text, Textarea, TextInput } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Account, answered, api } from "../api/client";
import type { components } from "../api/schema";
import { instantOf } from "../calls/wall_time";
import { Asked, Form, Outcome, Section, ShownOnce, useAct, Wide } from "../forms";
import { useTexts } from "../own_texts";
import { Problem } from "../problem";
import { useSession } from "../session";
import { lines, moment, useChange } from "./account";
import { isWithin, noNetworks } from "./networks";
import { TEXTS } from "./texts";

type Token = components["schemas"]["Token"];
const ROLES = ["ROLE_UPLOAD", "ROLE_READ", "ROLE_ADMIN"] as const;

export function Access({ account }: { account: Account }) {
  return (
    <>
      <Networks account={account} />
      <Tokens account={account} />
    </>
  );
}

function Networks({ account }: { account: Account }) {
  const text = useTexts(TEXTS);
  const change = useChange();
  const { address } = useSession();
  const [typed, setTyped] = useState((account.allowed_networks ?? []).join("\n"));
  const wrong = noNetworks(lines(typed));
  const isOut = !isWithin(address, lines(typed));
  const save = useAct(() => change({ allowed_networks: lines(typed) }));
  return (
    <Section title={text("networks")} need="admin">
      <Form act={save} disabled={wrong.length > 0 || isOut || !lines(typed).length}>
        <Textarea
          label={text("networks_field")} description={text("networks_hint")} autosize minRows={3} maxRows={12} value={typed} onChange={(event) => setTyped(event.currentTarget.value)} maw={480}
          inputWrapperOrder={["label", "input", "description", "error"]} error={wrong.length ? `${text("not_networks")} ${wrong.slice(0, 5).join(", ")}` : undefined}
        />
        {isOut ? <Alert color="red" role="alert">{text("your_address")}, {address}, {text("locked_out")}</Alert> : <Text size="sm">{text("your_address")}: {address}</Text>}
      </Form>
    </Section>
  );
}

function Tokens({ account }: { account: Account }) {
  const text = useTexts(TEXTS);
  const queries = useQueryClient();
  const { may } = useSession();
  const [made, setMade] = useState<string | null>(null);
  const tokens = useQuery({ queryKey: ["tokens"], queryFn: () => answered(api.GET("/v1/tokens")), enabled: may("admin") });
  const anew = () => queries.invalidateQueries({ queryKey: ["tokens"] });
  const block = useAct((token_id: string) => answered(api.POST("/v1/tokens/{token_id}:block", { params: { path: { token_id: Number(token_id) } }, body: {} as never })).then(anew));
  const state = ({ is_blocked, expire_time }: Token) => (is_blocked ? "blocked" : expire_time && Date.parse(expire_time) <= Date.now() ? "over" : "works");
  return (
    <Section title={text("tokens")} need="admin">
      <Problem error={tokens.error} />
      {made !== null && <ShownOnce title={text("the_token")} secret={made} onClose={() => setMade(null)} />}
      <NewToken account={account} onMade={(token) => (setMade(token), void anew())} />
      <Wide label={text("tokens")} px={640}>
        <Table aria-label={text("tokens")}>
          <Table.Thead>
            <Table.Tr>
              {(["token_name", "role", "created", "expires", "state"] as const).map((each) => <Table.Th key={each}>{text(each)}</Table.Th>)}
              <Table.Td />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {(tokens.data?.tokens ?? []).map((token) => (
              <Table.Tr key={token.token_id}>
                <Table.Td className="stranger">{token.name || `#${token.token_id}`}</Table.Td>
                <Table.Td>{text(token.role)}</Table.Td>
                <Table.Td>{moment(token.create_time, account)}</Table.Td>
                <Table.Td>{token.expire_time ? moment(token.expire_time, account) : text("never")}</Table.Td>
                <Table.Td>{text(state(token))}</Table.Td>
                <Table.Td>{state(token) === "works" && <Asked label={text("block")} of={token.name || `#${token.token_id}`} question={text("block_question")} onYes={() => block.run(token.token_id)} />}</Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Wide>
      <Outcome act={block} quiet />
    </Section>
  );
}

function NewToken({ account, onMade }: { account: Account; onMade: (token: string) => void }) {
  const text = useTexts(TEXTS);
  const [name, setName] = useState("");
  const [role, setRole] = useState<(typeof ROLES)[number]>("ROLE_UPLOAD");
  const [until, setUntil] = useState("");
  const make = useAct(async () => {
    const expire_time = instantOf(until, account.time_zone ?? "UTC")?.toISOString();
    const made = await answered(api.POST("/v1/tokens", { body: { role, name, ...(expire_time ? { expire_time } : {}) } }));
    onMade(made.access_token);
    [setName, setUntil].forEach((set) => set(""));
  });
  return (
    <Form act={make} label={text("create_token")} quiet>
      <SimpleGrid cols={{ base: 1, sm: 3 }}>
        <TextInput label={text("token_name")} required maxLength={255} value={name} onChange={(event) => setName(event.currentTarget.value)} />
        <NativeSelect label={text("role")} value={role} data={ROLES.map((each) => ({ value: each, label: text(each) }))} onChange={(event) => setRole(event.currentTarget.value as typeof role)} />
        <TextInput type="datetime-local" label={text("expires_field")} value={until} onChange={(event) => setUntil(event.currentTarget.value)} />
      </SimpleGrid>
    </Form>
  );
}
