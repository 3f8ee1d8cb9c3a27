/** The kinds of what calls may name: how each is asked for, added and changed. */
import { answered, api } from "../api/client";
import type { Need } from "../session";

/** One entry of any kind. */
export interface Entry {
  id: string;
  name: string;
  numbers: readonly string[];
  isActive: boolean;
  isSystem: boolean;
}

/** What a person says of an entry; an empty id lets calldock choose. */
export interface Said {
  id: string;
  name: string;
  numbers: string[];
  isActive: boolean;
}

export interface Kind {
  need: Need;
  hasOwnNumber: boolean;
  hasPhones: boolean;
  hasState: boolean;
  list: (pageToken: string) => Promise<{ entries: Entry[]; next: string }>;
  add: (said: Said) => Promise<unknown>;
  change: (id: string, said: Said) => Promise<unknown>;
}

const PAGE = 200;
const PLAIN = { numbers: [], isActive: true, isSystem: false };
const page = (page_token: string) => ({ params: { query: { page_size: PAGE, ...(page_token ? { page_token } : {}) } } });

/** A number of the path as it came: JavaScript's own numbers end at 2^53, these at 2^62. */
const whole = (id: string) => id as unknown as number;

export const KINDS = {
  sites: {
    need: "admin", hasOwnNumber: true, hasPhones: true, hasState: false,
    list: async (token) => {
      const { sites, next_page_token } = await answered(api.GET("/v1/sites", page(token)));
      return { entries: (sites ?? []).map((site) => ({ ...PLAIN, id: site.site_id ?? "", name: site.name ?? "", numbers: site.phone_numbers ?? [] })), next: next_page_token ?? "" };
    },
    add: ({ id, name, numbers }) => answered(api.POST("/v1/sites", { body: { ...(id ? { site_id: id } : {}), name, phone_numbers: numbers } })),
    change: (id, { name, numbers }) => answered(api.PATCH("/v1/sites/{site_id}", { params: { path: { site_id: whole(id) }, query: { update_mask: "name,phone_numbers" } }, body: { name, phone_numbers: numbers } })),
  },
  campaigns: {
    need: "admin", hasOwnNumber: true, hasPhones: false, hasState: true,
    list: async (token) => {
      const { campaigns, next_page_token } = await answered(api.GET("/v1/campaigns", page(token)));
      return { entries: (campaigns ?? []).map((campaign) => ({ ...PLAIN, id: campaign.campaign_id ?? "", name: campaign.name ?? "", isActive: campaign.is_active ?? true })), next: next_page_token ?? "" };
    },
    add: ({ id, name, isActive }) => answered(api.POST("/v1/campaigns", { body: { ...(id ? { campaign_id: id } : {}), name, is_active: isActive } })),
    change: (id, { name, isActive }) => answered(api.PATCH("/v1/campaigns/{campaign_id}", { params: { path: { campaign_id: whole(id) }, query: { update_mask: "name,is_active" } }, body: { name, is_active: isActive } })),
  },
  employees: {
    need: "upload", hasOwnNumber: false, hasPhones: false, hasState: false,
    list: async (token) => {
      const { employees, next_page_token } = await answered(api.GET("/v1/employees", page(token)));
      return { entries: (employees ?? []).map((employee) => ({ ...PLAIN, id: employee.employee_id ?? "", name: employee.full_name ?? "" })), next: next_page_token ?? "" };
    },
    add: ({ name }) => answered(api.POST("/v1/employees", { body: { full_name: name } })),
    change: (id, { name }) => answered(api.PATCH("/v1/employees/{employee_id}", { params: { path: { employee_id: whole(id) }, query: { update_mask: "full_name" } }, body: { full_name: name } })),
  },
  tags: {
    need: "upload", hasOwnNumber: false, hasPhones: false, hasState: false,
    list: async (token) => {
      const { tags, next_page_token } = await answered(api.GET("/v1/tags", page(token)));
      return { entries: (tags ?? []).map((tag) => ({ ...PLAIN, id: tag.tag_id ?? "", name: tag.name ?? "", isSystem: tag.is_system })), next: next_page_token ?? "" };
    },
    add: ({ name }) => answered(api.POST("/v1/tags", { body: { name } as never })),
    change: (id, { name }) => answered(api.PATCH("/v1/tags/{tag_id}", { params: { path: { tag_id: whole(id) }, query: { update_mask: "name" } }, body: { name } as never })),
  },
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;
export const KIND_NAMES = Object.keys(KINDS) as KindName[];
