import { useEffect } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { PageHead } from "../ui/layout.tsx";
import text from "../../../ops/prometheus/runbook.md" with { type: "text" };

/** The runbook of the service, as it was when the console was built: it also helps when nothing else is reachable. */
export function RunbookPage() {
  useEffect(() => {
    document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }, []);
  return (
    <>
      <PageHead title="Runbook" />
      <article class="prose">{text.split(/\n\n+/).slice(1).map(renderBlock)}</article>
    </>
  );
}

function renderBlock(block: string, index: number): ComponentChildren {
  const [, level = "", title = ""] = /^(#{2,3}) (.*)$/.exec(block.trim()) ?? [];
  if (level === "##") return <h2 key={index}>{title}</h2>;
  if (level === "###") {
    return (
      <h3 key={index} id={title.toLowerCase()}>
        {title}
      </h3>
    );
  }
  const items = block
    .split(/\n(?=- |\d+\. )/)
    .map((item) => /^(?:-|\d+\.) ([^]*)$/.exec(item)?.[1]);
  if (items.every((item) => item !== undefined)) {
    const List = /^\d/.test(block) ? "ol" : "ul";
    return (
      <List key={index}>
        {items.map((item) => (
          <li key={item}>{renderInline(item)}</li>
        ))}
      </List>
    );
  }
  return <p key={index}>{renderInline(block)}</p>;
}

/** Renders code, bold text and links within the runbook; other links lead to files, so that only their text remains. */
function renderInline(text: string): ComponentChildren[] {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*|\*[^*]+\*|\[[^\]]+\]\([^)]+\))/).map((part, index) => {
    if (part.startsWith("`")) return <code key={index}>{part.slice(1, -1)}</code>;
    if (part.startsWith("**")) return <strong key={index}>{part.slice(2, -2)}</strong>;
    if (part.startsWith("*")) return <em key={index}>{part.slice(1, -1)}</em>;
    const [, title, target = ""] = /^\[([^\]]+)\]\(([^)]+)\)$/.exec(part) ?? [];
    if (title === undefined) return part;
    return target.startsWith("#") ? (
      <a key={index} href={target}>
        {title}
      </a>
    ) : (
      title
    );
  });
}
