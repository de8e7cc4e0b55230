import type { AtomFeed, DcNs, DcTermsNs, JsonFeed, MediaNs, RdfFeed, RssFeed } from "feedsmith";
import { toIsoDate } from "./feed-date.ts";
import type { FeedItem } from "../../api/feeds/feed-item.ts";
import {
  cleanLine,
  cleanText,
  htmlToLine,
  joinBases,
  joinPersons,
  resolveLink,
} from "./feed-text.ts";

/** An item as its feed has it: the guid may be missing, and several revisions may share a guid. */
export interface DraftItem extends Omit<FeedItem, "source" | "guid"> {
  guid: string | null;
  updatedAt: string | null;
  /** Hash of the item's markup, to distinguish items without any of these fields. */
  digest: string | undefined;
}

export interface DraftFeed {
  title: string | null;
  /** Mapped lazily. */
  items: Iterable<DraftItem>;
}

interface Extensions {
  dc?: DcNs.ItemOrFeed<string>;
  dcterms?: DcTermsNs.ItemOrFeed<string>;
  media?: MediaNs.ItemOrFeed;
}

/**
 * Maps an RSS feed to draft items.
 * @param url where the feed was retrieved; without it, relative links are resolved against the feed's own link
 */
export function mapRss(feed: RssFeed.Feed<string>, url: string | undefined): DraftFeed {
  const base = joinBases([url ?? feed.link, feed.xml?.base]);
  return {
    title: htmlToLine(feed.title),
    items: each(feed.items, (item) => {
      const guid = cleanText(item.guid?.value);
      const isLink = item.guid?.isPermaLink !== false && /^https?:\/\//i.test(guid ?? "");
      const link =
        item.link ??
        (isLink ? guid : undefined) ??
        alternate(item.atom?.links) ??
        item.enclosures?.find((enclosure) => enclosure.url)?.url;
      return {
        guid,
        title: htmlToLine(item.title ?? item.dc?.titles?.[0]),
        link: resolveLink(link, joinBases([base, item.xml?.base])),
        author: joinPersons([...creators(item), item.itunes?.author]),
        summary: cleanText(item.description ?? described(item) ?? item.itunes?.summary),
        content: cleanText(item.content?.encoded),
        categories: unique([...(item.categories ?? []).map(({ name }) => name), ...subjects(item)]),
        ...dates([item.pubDate, ...published(item), item.atom?.published], [item.atom?.updated]),
        digest: item.xml?.id,
      };
    }),
  };
}

/** Maps an RDF (RSS 0.90, 1.0) feed to draft items; `url` as in `mapRss`. */
export function mapRdf(feed: RdfFeed.Feed<string>, url: string | undefined): DraftFeed {
  const base = joinBases([url ?? feed.link, feed.xml?.base]);
  return {
    title: htmlToLine(feed.title),
    items: each(feed.items, (item) => ({
      guid: cleanText(item.rdf?.about),
      title: htmlToLine(item.title ?? item.dc?.titles?.[0]),
      link: resolveLink(item.link ?? item.rdf?.about, joinBases([base, item.xml?.base])),
      author: joinPersons(creators(item)),
      summary: cleanText(item.description ?? described(item)),
      content: cleanText(item.content?.encoded),
      categories: unique(subjects(item)),
      ...dates(published(item), [item.dcterms?.modified?.[0]]),
      digest: item.xml?.id,
    })),
  };
}

/** Maps an Atom feed to draft items; `url` as in `mapRss`. */
export function mapAtom(feed: AtomFeed.Feed<string>, url: string | undefined): DraftFeed {
  const base = joinBases([url ?? alternate(feed.links), feed.xml?.base]);
  const feedAuthor = joinPersons((feed.authors ?? []).map(nameOrEmail));
  return {
    title: getTitle(feed.title),
    items: each(feed.entries, (entry) => {
      const authors = entry.authors ?? entry.source?.authors;
      const author = authors ? joinPersons(authors.map(nameOrEmail)) : feedAuthor;
      return {
        guid: cleanText(entry.id),
        title: getTitle(entry.title),
        link: resolveLink(
          alternate(entry.links) ?? findLink("enclosure", entry.links),
          joinBases([base, entry.xml?.base]),
        ),
        author: author ?? joinPersons(creators(entry)),
        summary: cleanText(entry.summary?.value ?? described(entry)),
        content: cleanText(entry.content?.value),
        categories: unique([
          ...(entry.categories ?? []).map(({ label, term }) => label ?? term),
          ...subjects(entry),
        ]),
        ...dates([entry.published, ...published(entry), entry.updated], [entry.updated]),
        digest: entry.xml?.id,
      };
    }),
  };
}

/** Maps a JSON Feed to draft items; `url` as in `mapRss`. */
export function mapJson(feed: JsonFeed.Feed<string>, url: string | undefined): DraftFeed {
  const base = joinBases([url ?? feed.home_page_url]);
  const feedAuthor = joinPersons((feed.authors ?? []).map(({ name }) => name));
  return {
    title: cleanLine(feed.title),
    items: each(feed.items, (item) => ({
      guid: cleanText(item.id),
      title: cleanLine(item.title),
      link: resolveLink(
        item.url ?? item.external_url ?? item.attachments?.find(({ url }) => url)?.url,
        base,
      ),
      author: item.authors ? joinPersons(item.authors.map(({ name }) => name)) : feedAuthor,
      summary: cleanText(item.summary),
      content: cleanText(item.content_html ?? item.content_text),
      categories: unique(item.tags ?? []),
      ...dates([item.date_published, item.date_modified], [item.date_modified]),
      digest: undefined,
    })),
  };
}

function* each<Item>(
  items: readonly Item[] | undefined,
  map: (item: Item) => DraftItem,
): Generator<DraftItem> {
  for (const item of items ?? []) yield map(item);
}

function getTitle(text: AtomFeed.Text | undefined): string | null {
  const isPlain = text?.type === undefined || text.type === "text" || text.type === "text/plain";
  return isPlain ? cleanLine(text?.value) : htmlToLine(text.value);
}

/** Finds the link to the item's page; prefers HTML. */
function alternate(links: readonly AtomFeed.Link<string>[] = []): string | undefined {
  const pages = links.filter(({ rel, href }) => href && (rel ?? "alternate") === "alternate");
  return (pages.find(({ type }) => type === undefined || type === "text/html") ?? pages[0])?.href;
}

function findLink(rel: string, links: readonly AtomFeed.Link<string>[] = []): string | undefined {
  return links.find((link) => link.rel === rel && link.href)?.href;
}

function nameOrEmail({ name, email }: AtomFeed.Person): string | undefined {
  return name ?? email;
}

/** Finds a description in the Dublin Core and Media RSS extensions. */
function described({ dc, media }: Extensions): string | undefined {
  const group = media?.groups?.[0];
  const parts = [media, media?.contents?.[0], group, group?.contents?.[0]];
  const inMedia = parts.find((part) => part?.description !== undefined)?.description;
  return dc?.descriptions?.[0] ?? inMedia?.value;
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
