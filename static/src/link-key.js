import { queryParams } from './config.js';

/** @param {string} name */
export const parameter = (name) => new URL(location.href).searchParams.get(name);

/** The link that the page's address names, as in `?via=ada`. */
export const linkKey = () => queryParams.map(parameter).find((key) => key);
