/** The click id's name: as cookie and as query parameter. */
export const CLICK = 'dub_id';
/** The cookie with the partner and discount of that click. */
export const PARTNER = 'dub_partner_data';
