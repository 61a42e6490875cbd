/** @param {string} message */
export const warn = (message) => console.warn(`[dubAnalytics] ${message}`);
