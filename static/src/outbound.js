import { clickId } from './click-id.js';
import { domains } from './config.js';
import { CLICK } from './names.js';
import { outboundHosts } from './outbound-hosts.js';
import { withoutClickId } from './query.js';

const isOutbound = /** @type {(host: string) => boolean} */ (
  OUTBOUND_DOMAINS && outboundHosts(domains.outbound || [], location.hostname)
);

/** What leads away. Not `<link>` and `<base>`, which have an `href` too. */
const WAYS_OUT = 'a[href],area[href],iframe';

/** This page, and the `srcdoc` frames in it, which count as part of it. @type {Set<Document>} */
const documents = /* @__PURE__ */ new Set();

/**
 * Put the click id into an element's address.
 * A link that carries an older one gets the new one; a frame is not touched again, since that would reload it.
 * @param {any} element
 * @param {boolean} [wasThere]  the page came with it
 */
const tag = (element, wasThere) => {
  if (!element.matches?.(WAYS_OUT)) return;
  if (element.srcdoc) watch(element.contentDocument);
  const name = element.srcdoc == null ? 'href' : 'src';
  let url;
  try {
    url = new URL(element[name]);
  } catch {
    return; // no address, or none that can be outbound
  }
  const id = clickId();
  if (!id || !isOutbound(url.hostname) || (name == 'src' && url.searchParams.has(CLICK))) return;
  const others = withoutClickId(url.search);
  url.search = `${others}${others ? '&' : '?'}${CLICK}=${id}`;
  if (element[name] == url.href) return;
  // A frame whose first page is about to be shown ignores a new address: it starts afresh where it is. Not one that
  // a script has just added and may hold the window of; that one has not got as far.
  const { nextSibling, parentNode } = element;
  const again = wasThere && element.contentDocument;
  if (again) element.remove();
  element[name] = url.href;
  if (again) parentNode.insertBefore(element, nextSibling);
};

/** @param {any} root */
const tagBelow = (root) =>
  root.querySelectorAll?.(WAYS_OUT).forEach((/** @type {Element} */ element) => tag(element, documents.has(root)));

const observer = /* @__PURE__ */ new MutationObserver((records) => {
  for (const { target, addedNodes, attributeName } of records) {
    if (attributeName) tag(target);
    addedNodes.forEach((node) => {
      tag(node);
      tagBelow(node);
    });
  }
});

/** @param {Document | null} root */
const watch = (root) => {
  if (!root || documents.has(root)) return;
  documents.add(root);
  observer.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ['href', 'src'] });
  tagBelow(root);
};

/** Tag every link there is. */
export const tagLinks = () => documents.forEach(tagBelow);

/** Tag the links that are and will be on the page. */
export const watchLinks = () => {
  watch(document);
  // A frame's document exists when it has loaded; the event does not bubble.
  document.addEventListener('load', ({ target }) => tag(target), true);
};
