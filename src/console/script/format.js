// Values as text. Nothing here knows the page.
const DASH = "–";

// A number with at most `digits` decimals, and none that is 0.
const short = (value, digits = 2) => String(Number(value.toFixed(digits)));
const percent = (value, digits) => (value == null ? DASH : `${short(value, digits)} %`);
const count = value => value.toLocaleString("en");
const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

// A number with one decimal below `limit`.
const figure = (value, limit) => value?.toFixed(value < limit ? 1 : 0) ?? DASH;
const millis = value => figure(value, 10);

// A percentage of `n` requests. Fewer than 30 say nothing, so their number stands in its place.
const part = (value, n, digits) => (value == null || !n ? DASH : n < 30 ? `n=${n}` : `${value.toFixed(digits)} %`);

function span(seconds) {
  const [unit, name] =
    seconds < 90 ? [1, "s"] : seconds < 5400 ? [60, "min"] : seconds < 172800 ? [3600, "h"] : [86400, "d"];
  return `${Math.max(0, Math.floor(seconds / unit))} ${name}`;
}

// A duration to the second.
function exactly(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const minutes = Math.floor(whole / 60);
  return [minutes && `${minutes} min`, (whole % 60 || !minutes) && `${whole % 60} s`].filter(Boolean).join(" ");
}

const since = (at, now) => span((now - Date.parse(at)) / 1000);
const clock = at => new Date(at).toTimeString().slice(0, 5);

// A word of a shell.
const quoted = word => (/^[\w%+=:,./@-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
const list = words => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);
const bare = url => url.replace(/^http:\/\//, "");
