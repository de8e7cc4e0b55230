import type { AtomFeed, DcNs, DcTermsNs, JsonFeed, RdfFeed, RssFeed } from "feedsmith";
import { toIsoDate } from "./feed-date.ts";
import type { FeedItem } from "./feed-item.ts";
import { resolveLink } from "./feed-link.ts";
import { joinPersons } from "./feed-person.ts";
import { cleanLine, cleanText, htmlToLine } from "./feed-text.ts";

/** An item as its feed has it: perhaps without a guid, perhaps one of several revisions. */
export interface DraftItem extends Omit<FeedItem, "source" | "guid"> {
  guid: string | null;
  updatedAt: string | null;
}

export interface DraftFeed {
  title: string | null;
  items: DraftItem[];
}

type Extensions = { dc?: DcNs.ItemOrFeed<string>; dcterms?: DcTermsNs.ItemOrFeed<string> };

export function mapRss(feed: RssFeed.Feed<string>): DraftFeed {
  const bases = [feed.link, feed.xml?.base];
  return {
    title: htmlToLine(feed.title),
    items: (feed.items ?? []).map((item) => {
      const guid = cleanText(item.guid?.value);
      const isLink = item.guid?.isPermaLink !== false && /^https?:\/\//i.test(guid ?? "");
      const link = item.link ?? (isLink ? guid : undefined) ?? alternate(item.atom?.links);
      return {
        guid,
        title: htmlToLine(item.title ?? item.dc?.titles?.[0]),
        link: resolveLink(link, [...bases, item.xml?.base]),
        author: joinPersons([...creators(item), item.itunes?.author]),
        summary: cleanText(item.description ?? item.itunes?.summary),
        content: cleanText(item.content?.encoded),
        categories: unique([...(item.categories ?? []).map(({ name }) => name), ...subjects(item)]),
        ...dates([item.pubDate, ...published(item), item.atom?.published], [item.atom?.updated]),
      };
    }),
  };
}

export function mapRdf(feed: RdfFeed.Feed<string>): DraftFeed {
  const bases = [feed.link, feed.xml?.base];
  return {
    title: htmlToLine(feed.title),
    items: (feed.items ?? []).map((item) => ({
      guid: cleanText(item.rdf?.about),
      title: htmlToLine(item.title ?? item.dc?.titles?.[0]),
      link: resolveLink(item.link ?? item.rdf?.about, [...bases, item.xml?.base]),
      author: joinPersons(creators(item)),
      summary: cleanText(item.description ?? item.dc?.descriptions?.[0]),
      content: cleanText(item.content?.encoded),
      categories: unique(subjects(item)),
      ...dates(published(item), [item.dcterms?.modified?.[0]]),
    })),
  };
}

export function mapAtom(feed: AtomFeed.Feed<string>): DraftFeed {
  const bases = [alternate(feed.links), feed.xml?.base];
  return {
    title: titleOf(feed.title),
    items: (feed.entries ?? []).map((entry) => {
      const authors = entry.authors ?? entry.source?.authors ?? feed.authors ?? [];
      return {
        guid: cleanText(entry.id),
        title: titleOf(entry.title),
        link: resolveLink(alternate(entry.links), [...bases, entry.xml?.base]),
        author:
          joinPersons(authors.map(({ name, email }) => name ?? email)) ??
          joinPersons(creators(entry)),
        summary: cleanText(entry.summary?.value),
        content: cleanText(entry.content?.value),
        categories: unique([
          ...(entry.categories ?? []).map(({ label, term }) => label ?? term),
          ...subjects(entry),
        ]),
        ...dates([entry.published, ...published(entry), entry.updated], [entry.updated]),
      };
    }),
  };
}

export function mapJson(feed: JsonFeed.Feed<string>): DraftFeed {
  return {
    title: cleanLine(feed.title),
    items: (feed.items ?? []).map((item) => ({
      guid: cleanText(item.id),
      title: cleanLine(item.title),
      link: resolveLink(item.url ?? item.external_url, [feed.home_page_url]),
      author: joinPersons((item.authors ?? feed.authors ?? []).map(({ name }) => name)),
      summary: cleanText(item.summary),
      content: cleanText(item.content_html ?? item.content_text),
      categories: unique(item.tags ?? []),
      ...dates([item.date_published, item.date_modified], [item.date_modified]),
    })),
  };
}

function titleOf(text: AtomFeed.Text | undefined): string | null {
  const isPlain = text?.type === undefined || text.type === "text" || text.type === "text/plain";
  return isPlain ? cleanLine(text?.value) : htmlToLine(text.value);
}

/** The page an item is about: HTML rather than anything else. */
function alternate(links: AtomFeed.Link<string>[] = []): string | undefined {
  const pages = links.filter(({ rel, href }) => href && (rel ?? "alternate") === "alternate");
  return (pages.find(({ type }) => type === undefined || type === "text/html") ?? pages[0])?.href;
}

function creators({ dc, dcterms }: Extensions): string[] {
  return [...(dc?.creators ?? []), ...(dcterms?.creators ?? [])];
}

function subjects({ dc, dcterms }: Extensions): string[] {
  return [...(dc?.subjects ?? []), ...(dcterms?.subjects ?? [])];
}

function published({ dc, dcterms }: Extensions): (string | undefined)[] {
  return [dcterms?.issued, dcterms?.created, dc?.dates, dcterms?.dates].map((list) => list?.[0]);
}

function dates(
  published: readonly (string | undefined)[],
  updated: readonly (string | undefined)[],
): Pick<DraftItem, "publishedAt" | "updatedAt"> {
  const publishedAt = firstDate(published);
  return { publishedAt, updatedAt: firstDate(updated) ?? publishedAt };
}

function firstDate(candidates: readonly (string | undefined)[]): string | null {
  for (const candidate of candidates) {
    const date = candidate === undefined ? null : toIsoDate(candidate);
    if (date !== null) return date;
  }
  return null;
}

function unique(categories: readonly (string | undefined)[]): string[] {
  return [...new Set(categories.map(cleanLine).filter((category) => category !== null))];
}
