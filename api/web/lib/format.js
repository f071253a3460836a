// Figures for people. Values come as the API gives them: exact decimals as strings, ratios as numbers, null for absent.

const compact = new Intl.NumberFormat("en", { notation: "compact", minimumFractionDigits: 0, maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 4 });
const cents = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const shown = (value, how) => (value === null || value === undefined || value === "" || Number.isNaN(Number(value)) ? "–" : how(Number(value)));
const sign = (n) => (n < 0 ? "−" : "");

export const usd = (value) => shown(value, (n) => `${sign(n)}$${compact.format(Math.abs(n))}`);
export const usdWhole = (value) => shown(value, (n) => `${sign(n)}$${whole.format(Math.abs(n))}`);
export const usdRange = ([low, high]) => (usd(low) === usd(high) ? usd(low) : `${usd(low)} – ${usd(high)}`);
export const count = (value) => shown(value, (n) => whole.format(n));
export const amount = (value) => shown(value, (n) => (Math.abs(n) >= 10000 ? compact.format(n) : fine.format(n)));
export const ratio = (value, digits = 2) => shown(value, (n) => n.toFixed(digits));
export const times = (value) => shown(value, (n) => `${n.toFixed(2)}×`);
export const percent = (value, digits = 1) => shown(value, (n) => {
  const text = Math.abs(n * 100).toFixed(digits);
  return `${Number(text) ? sign(n) : ""}${text}%`; // never −0.0%
});
export const price = (value) => shown(value, (n) => `$${Math.abs(n) >= 1000 ? whole.format(n) : Math.abs(n) >= 10 ? cents.format(n) : fine.format(n)}`);
export const address = (text) => (text ? `${text.slice(0, 6)}…${text.slice(-4)}` : "–");
export const time = (text) => (text ? `${text.slice(0, 10)} ${text.slice(11, 16)}` : "–");
/** A node of the exposure graph, which may be an issuer that is not indexed. */
export const node = (name) => name.replace(/^(\w+):(0x[0-9a-f]{40})$/, (_, kind, text) => `${kind} ${address(text)}`);
export const ago = (seconds) =>
  shown(seconds, (n) => (n < 90 ? `${Math.round(n)} s` : n < 5400 ? `${Math.round(n / 60)} min` : n < 172800 ? `${Math.round(n / 3600)} h` : `${Math.round(n / 86400)} d`));
