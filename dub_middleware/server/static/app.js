// Everything that a page does beyond its HTML. Each module looks for what it serves and leaves the rest alone.
import { start as swap } from "./swap.js";
import { start as chart } from "./chart.js";
import { start as keys } from "./keys.js";
import { start as live } from "./live.js";
import { start as menus } from "./menus.js";
import { start as sheets } from "./sheets.js";
import { start as small } from "./small.js";
import { start as stream } from "./stream.js";
import { start as zone } from "./zone.js";

for (const begin of [swap, small, menus, sheets, keys, chart, stream, live, zone]) begin();
