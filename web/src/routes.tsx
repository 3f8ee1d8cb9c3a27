/** The pages of the client area: a page is a folder of its own and a line here (web/README.md). */
import { type ComponentType, lazy } from "react";
import type { Account } from "./api/client";
import { CallsPage } from "./calls/calls_page";
import type { Text } from "./texts";

/** What every page is given; parts of the address such as `:id` come by wouter's useParams. */
export interface PageProps {
  account: Account;
}

export interface Route {
  /** Below /app, in wouter's form: /calls/:id. */
  path: string;
  /** What the navigation calls it; a page without one is reached from another. */
  title?: Text;
  Page: ComponentType<PageProps>;
}

/** Loads a page with its libraries when it is first opened, so that the first load stays small: `later(() => import("./call/call_page"), "CallPage")`. */
export function later<Name extends string>(load: () => Promise<Record<Name, ComponentType<PageProps>>>, name: Name): ComponentType<PageProps> {
  return lazy(async () => ({ default: (await load())[name] as ComponentType<PageProps> }));
}

/** The first is where one begins; it comes with the first load. */
export const ROUTES: readonly Route[] = [
  { path: "/calls", title: "calls", Page: CallsPage },
  { path: "/calls/:id", Page: later(() => import("./call/call_page"), "CallPage") },
  { path: "/overview", title: "overview_page", Page: later(() => import("./overview/overview_page"), "OverviewPage") },
  { path: "/upload", title: "upload_page", Page: later(() => import("./upload/upload_page"), "UploadPage") },
  { path: "/check", title: "check_page", Page: later(() => import("./check/check_page"), "CheckPage") },
  { path: "/directory/:kind?", title: "directory_page", Page: later(() => import("./directory/directory_page"), "DirectoryPage") },
  { path: "/settings/:tab?", title: "settings_page", Page: later(() => import("./settings/settings_page"), "SettingsPage") },
];
