/** What the call was: its facts, in the account's time zone. */
import { Badge } from "@mantine/core";
import type { ReactNode } from "react";
import type { Call } from "../api/client";
import { wallTime } from "../calls/wall_time";
import { useName } from "./following";
import { recordingsOf, seconds } from "./recordings";
import { useCallTexts } from "./texts";

export function Facts({ call, timeZone }: { call: Call; timeZone: string }) {
  const { text, number, second } = useCallTexts();
  const site = useName("site", call.site_id);
  const campaign = useName("campaign", call.campaign_id);
  const source = useName("source", call.source_id);
  const named = (name: string, id: string | undefined) => (id === undefined ? text("none") : name ? <><bdi>{name}</bdi> <span className="dim">№ {id}</span></> : `№ ${id}`);
  const lasted = (duration: string | undefined) => {
    const found = seconds(duration);
    return found === null ? text("unknown") : `${number(found, Number.isInteger(found) ? 0 : 1)} ${second}`;
  };
  const employees = recordingsOf(call).map((each) => (
    <div key={each.place}>
      <bdi>{each.employee || text("nobody")}</bdi>
      {each.employeeChannel !== null && <span className="dim"> {text(each.employeeChannel === 0 ? "left" : "right")}</span>}
    </div>
  ));
  return (
    <section aria-label={text("facts")}>
      <h2>{text("facts")}</h2>
      <dl className="facts">
        <Fact name={text("began")}>{wallTime(call.start_time, timeZone)}</Fact>
        <Fact name={text("ended")}>{wallTime(call.finish_time, timeZone)}</Fact>
        <Fact name={text("direction")}>{text(call.direction === "DIRECTION_OUT" ? "out" : "in")}</Fact>
        <Fact name={text("outcome")}>{text(call.is_lost ? "lost" : "successful")}</Fact>
        <Fact name={text("calling")}>{call.calling_phone_number || text("hidden")}</Fact>
        <Fact name={text("called")}>{call.called_phone_number || text("none")}</Fact>
        <Fact name={text("wait")}>{lasted(call.wait_duration)}</Fact>
        <Fact name={text("talk")}>{lasted(call.talk_duration)}</Fact>
        {call.is_transfer && <Fact name={text("transfer")}>{text("yes")}</Fact>}
        <Fact name={text("employees")}>{employees.length ? employees : text("none")}</Fact>
        <Fact name={text("site")}>{named(site, call.site_id)}</Fact>
        <Fact name={text("campaign")}>{named(campaign, call.campaign_id)}</Fact>
        <Fact name={text("source")}>{named(source, call.source_id)}</Fact>
        {call.visitor_session_id !== undefined && <Fact name={text("visitor_session")}>№ {call.visitor_session_id}</Fact>}
        <Fact name={text("tags")}>
          {call.tags?.length ? call.tags.map((tag) => <Badge key={tag.tag_id} variant="default" tt="none" mr={4} maw="100%" title={tag.tag_name}><bdi>{tag.tag_name}</bdi></Badge>) : text("none")}
        </Fact>
        <Fact name={text("ext_id")}><bdi>{call.ext_id}</bdi></Fact>
        <Fact name={text("number_here")}>{call.call_session_id}</Fact>
        {call.comment && <Fact name={text("comment")}><bdi className="comment">{call.comment}</bdi></Fact>}
      </dl>
      <p className="dim">{text("zone")} {timeZone}.</p>
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
