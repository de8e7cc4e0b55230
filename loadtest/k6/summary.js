import { baseUrl, summaryFile } from "./settings.js";

/**
 * @typedef {object} Metric
 * @property {Record<string, number>} values
 * @property {Record<string, { ok: boolean }>} [thresholds]
 */
/**
 * @typedef {object} Group
 * @property {{ name: string, passes: number, fails: number }[]} checks
 * @property {Group[]} groups
 */
/**
 * @typedef {object} SummaryData what k6 hands to handleSummary
 * @property {Record<string, Metric>} metrics
 * @property {Group} root_group
 * @property {import("./run.js").Run | undefined} setup_data
 */

/**
 * @param {string} title
 * @returns {(data: SummaryData) => Record<string, string>}
 */
export function summarize(title) {
  return (data) => {
    // It did not begin, and k6 has said why.
    if (data.setup_data === undefined) return {};
    const account = toAccount(data);
    const text = [
      `${title} at ${baseUrl}`,
      ...describeAccount(account),
      ...describeChecks(data),
      ...describeLatencies(data),
      ...describeThresholds(data),
    ].join("\n  ");
    return {
      stdout: `\n${text}\n`,
      ...(summaryFile === undefined ? {} : { [summaryFile]: JSON.stringify(account) }),
    };
  };
}

/** @param {SummaryData} data */
function toAccount({ metrics, setup_data }) {
  /** @param {string} name */
  const count = (name) => metrics[name]?.values["count"] ?? 0;
  return {
    accepted: count("jobs_accepted"),
    completed: count("jobs_completed"),
    dead: count("jobs_dead"),
    refused: count("jobs_refused"),
    /** Milliseconds since 1970. */
    startedAt: setup_data?.startedAt,
    loadedAt: metrics["loaded_at"]?.values["value"],
    settledAt: metrics["settled_at"]?.values["value"],
  };
}

/** @param {ReturnType<typeof toAccount>} account */
function describeAccount({ accepted, completed, dead, refused, startedAt, loadedAt, settledAt }) {
  const settled = completed + dead;
  const sign = accepted === settled ? "=" : "IS NOT";
  const ends = `completed ${grouped(completed)}, dead ${grouped(dead)}`;
  const lines = [`accepted ${grouped(accepted)} ${sign} settled ${grouped(settled)}: ${ends}`];
  if (refused > 0) lines.push(`refused and repeated ${grouped(refused)} times`);
  if (startedAt !== undefined && loadedAt !== undefined && settledAt !== undefined) {
    const perSecond = Math.round((accepted / (loadedAt - startedAt)) * 1000);
    const after = ((settledAt - loadedAt) / 1000).toFixed(1);
    lines.push(
      `${grouped(perSecond)} accepted a second; ${after} s after the load ended ${outcome(accepted - settled)}`,
    );
  }
  return lines;
}

/** @param {number} missing */
function outcome(missing) {
  if (missing === 0) return "all were settled";
  if (missing > 0) return `${grouped(missing)} were not settled, or are gone`;
  return `${grouped(-missing)} more were settled: accepted, but the answer did not arrive`;
}

/** @param {SummaryData} data */
function describeChecks({ root_group }) {
  const checks = [root_group, ...root_group.groups].flatMap((group) => group.checks);
  const passes = checks.reduce((sum, check) => sum + check.passes, 0);
  const failed = checks.filter((check) => check.fails > 0);
  const all = failed.reduce((sum, check) => sum + check.fails, passes);
  return [
    `${grouped(passes)} of ${grouped(all)} checks of answers passed`,
    ...failed.map(({ name, fails }) => `  ${grouped(fails)} times not: ${name}`),
  ];
}

/** @param {SummaryData} data */
function describeLatencies({ metrics }) {
  return Object.entries(metrics).flatMap(([key, { values }]) => {
    const request = /^http_req_duration\{name:(.*)\}$/.exec(key)?.[1];
    const name = key === "import_duration" ? "until imported" : request;
    if (name === undefined || !values["count"]) return [];
    /** @param {string} stat */
    const ms = (stat) => `${stat} ${(values[stat] ?? NaN).toFixed(1)}`;
    const spread = ["med", "p(95)", "p(99)", "max"].map(ms).join(", ");
    return [`${name.padEnd(20)} ${grouped(values["count"])} times, ms: ${spread}`];
  });
}

/** @param {SummaryData} data */
function describeThresholds({ metrics }) {
  return Object.entries(metrics).flatMap(([name, { thresholds = {} }]) =>
    Object.entries(thresholds).map(
      ([rule, { ok }]) => `${ok ? "ok    " : "FAILED"} ${name} ${rule}`,
    ),
  );
}

/** @param {number} value */
function grouped(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}
