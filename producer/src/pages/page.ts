/** Builds a self-contained page with inline style and script. */
export function htmlPage({ title, body, script = "" }: Page): Response {
  const nonce = crypto.randomUUID();
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>${title}</title>
<style nonce="${nonce}">${style}</style>
</head>
<body>
<main>
${body}
</main>
${script && `<script nonce="${nonce}">${script}</script>\n`}</body>
</html>
`;
  return withPolicy(html, {
    "script-src": `'nonce-${nonce}'`,
    "style-src": `'nonce-${nonce}'`,
    "img-src": "data:",
  });
}

/** Builds a page with a Content-Security-Policy: connections to this origin only, plus those that the directives permit. */
export function withPolicy(
  html: string | Uint8Array<ArrayBuffer> | null,
  directives: Record<string, string>,
): Response {
  const policy = {
    "default-src": "'none'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
    ...directives,
  };
  const headers = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": Object.entries(policy)
      .map(([name, sources]) => `${name} ${sources}`)
      .join("; "),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
  };
  return new Response(html, { headers });
}

interface Page {
  title: string;
  /** HTML; the caller must escape untrusted text. */
  body: string;
  script?: string;
}

const style = `
:root { font: 1rem/1.5 system-ui, sans-serif; color-scheme: light dark; }
body { margin: 0; }
main { max-width: 44rem; margin: 0 auto; padding: 2rem 1rem; }
h1 { line-height: 1.2; }
code, time { font-family: ui-monospace, monospace; }
li { margin: .25rem 0; }
time { opacity: .75; margin-right: 1ch; }
[role=status] { font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.5rem; }
dt { opacity: .75; }
dd { margin: 0; }
`;
