const bearer = /^bearer +(\S+) *$/i;
const basic = /^basic +([A-Za-z0-9+/=]+) *$/i;

/**
 * The key or token in an Authorization header; undefined when there is none in a form that is understood.
 * @param isPage whether a browser may ask for it: then it is the password, whatever the name. Not for the API, where
 * a browser that sends it by itself would act for whatever page it shows.
 */
export function credentialIn(header: string, isPage: boolean): string | undefined {
  const token = bearer.exec(header)?.[1];
  if (token !== undefined || !isPage) return token;
  const encoded = basic.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const pair = Buffer.from(encoded, "base64").toString();
  return pair.slice(pair.indexOf(":") + 1);
}
