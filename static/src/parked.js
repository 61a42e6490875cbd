/**
 * Calls that a navigation would lose: those that wait, and clicks whose answer is not there yet.
 * @type {Set<[path: string, input: any]>}
 */
export const parked = /* @__PURE__ */ new Set();
