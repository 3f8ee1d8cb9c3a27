/** Whether an address lies in networks, as services/shared/identity.py decides it. */
import ipaddr from "ipaddr.js";

/** Those of the lines that are no network and no address. */
export function noNetworks(lines: readonly string[]): string[] {
  return lines.filter((line) => network(line) === null);
}

/** True when an address lies in one of the networks; one that is not known counts as within. */
export function isWithin(address: string, lines: readonly string[]): boolean {
  if (!ipaddr.isValid(address)) return true;
  const own = ipaddr.process(address);
  return lines.some((line) => {
    const found = network(line);
    return found !== null && found[0].kind() === own.kind() && own.match(found as never);
  });
}

function network(line: string): [ipaddr.IPv4 | ipaddr.IPv6, number] | null {
  try {
    if (line.includes("/")) return ipaddr.parseCIDR(line);
    const address = ipaddr.parse(line);
    return [address, address.kind() === "ipv4" ? 32 : 128];
  } catch {
    return null;
  }
}
