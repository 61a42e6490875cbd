// Sends one call of each type with @segment/analytics-node: node send.mjs HOST WRITE_KEY
import { Analytics } from "@segment/analytics-node";

const [host, writeKey] = process.argv.slice(2);
const analytics = new Analytics({ writeKey, host, flushAt: 3 });
analytics.on("error", (error) => {
  console.error(error);
  process.exitCode = 1;
});
const who = { userId: "42" };
analytics.identify({ ...who, traits: { email: "ada@example.com" } });
analytics.track({
  ...who,
  event: "Sign Up",
  properties: { plan: "größer" },
  integrations: { All: true, "Dub (Actions)": { dub_id: "clk0123456789abc" } },
});
analytics.page({ ...who, name: "Pricing" });
analytics.screen({ ...who, name: "Settings" });
analytics.group({ ...who, groupId: "g1" });
analytics.alias({ ...who, previousId: "a1" });
await analytics.closeAndFlush({ timeout: 15_000 });
