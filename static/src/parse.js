import { warn } from './warn.js';

/**
 * Bad JSON costs what it describes, never the script.
 * @param {string} name for the warning
 * @param {() => any} parse
 * @returns {any} nothing when it is bad
 */
export const parsed = (name, parse) => {
  try {
    return parse();
  } catch (error) {
    warn(`Failed to parse ${name}. ${error}`);
  }
};
