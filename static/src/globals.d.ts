/** Compile-time features: each combination is one file in ../dist. */
declare const SITE_VISIT: boolean;
declare const OUTBOUND_DOMAINS: boolean;
declare const CONVERSION_TRACKING: boolean;

interface Window {
  dubAnalytics: any;
  DubAnalytics: { partner: any; discount: any };
  _dubAnalytics: any;
}

interface Navigator {
  globalPrivacyControl?: boolean;
}

interface Document {
  prerendering?: boolean;
}

/** What the tracking API answers; on failure of any kind its error envelope. */
type Answer = {
  clickId?: string;
  partner?: { name: string; image: string | null } | null;
  discount?: object | null;
  error?: { code: string; message: string };
};
