const bearer = /^bearer +(\S+) *$/i;
const basic = /^basic +([A-Za-z0-9+/=]+) *$/i;

/**
 * Returns the key or token in an Authorization header; undefined if the header has no supported form.
 * @param isPage also accepts Basic authentication and takes the password, whatever the user name. Not for the API:
 * browsers send Basic credentials automatically, on behalf of any page (CSRF).
 */
export function credentialIn(header: string, isPage: boolean): string | undefined {
  const token = bearer.exec(header)?.[1];
  if (token !== undefined || !isPage) return token;
  const encoded = basic.exec(header)?.[1];
  if (encoded === undefined) return undefined;
  const pair = Buffer.from(encoded, "base64").toString();
  return pair.slice(pair.indexOf(":") + 1);
}
