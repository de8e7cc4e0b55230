export interface Query {
  expr: string;
  legend: string;
}

type Unit = "short" | "s" | "bytes" | "percentunit" | "ops" | "reqps";

export interface Panel {
  title: string;
  /** Explanation for operators. */
  description?: string;
  unit: Unit;
  /** Shows a number instead of a graph. */
  isStat?: boolean;
  queries: readonly Query[];
}

export interface Row {
  title: string;
  panels: readonly Panel[];
}

export interface Dashboard {
  uid: string;
  title: string;
  rows: readonly Row[];
}

/** A panel with a graph. */
export function graph(title: string, unit: Unit, ...queries: Query[]): Panel {
  return { title, unit, queries };
}

/** A panel with a number. */
export function stat(title: string, unit: Unit, ...queries: Query[]): Panel {
  return { title, unit, queries, isStat: true };
}

export function query(expr: string, legend: string): Query {
  return { expr, legend };
}

const datasource = { type: "prometheus", uid: "prometheus" };
const width = 24;
const heights = { row: 1, stat: 4, graph: 8 };

/** Converts a dashboard to Grafana's JSON model: rows of panels of equal width. */
export function toGrafana({ uid, title, rows }: Dashboard): object {
  const panels: object[] = [];
  let y = 0;
  for (const row of rows) {
    const gridPos = { x: 0, y, w: width, h: heights.row };
    panels.push({
      id: panels.length + 1,
      type: "row",
      title: row.title,
      collapsed: false,
      gridPos,
    });
    y += heights.row;
    const w = Math.floor(width / row.panels.length);
    const h = row.panels.every((panel) => panel.isStat) ? heights.stat : heights.graph;
    for (const [index, panel] of row.panels.entries()) {
      panels.push(toPanel(panel, panels.length + 1, { x: index * w, y, w, h }));
    }
    y += h;
  }
  return {
    uid,
    title,
    tags: ["toril"],
    schemaVersion: 39,
    editable: false,
    time: { from: "now-1h", to: "now" },
    refresh: "15s",
    timezone: "browser",
    panels,
  };
}

function toPanel(panel: Panel, id: number, gridPos: object): object {
  const { title, description, unit, isStat = false, queries } = panel;
  return {
    id,
    type: isStat ? "stat" : "timeseries",
    title,
    ...(description === undefined ? {} : { description }),
    datasource,
    gridPos,
    fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
    options: isStat
      ? { reduceOptions: { calcs: ["lastNotNull"] }, colorMode: "value", graphMode: "area" }
      : { legend: { displayMode: "list", placement: "bottom" }, tooltip: { mode: "multi" } },
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCodePoint(65 + index),
      datasource,
      expr,
      legendFormat: legend,
    })),
  };
}
