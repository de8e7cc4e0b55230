/** No control characters. Said without Unicode's classes, which not every reader of openapi.yaml knows. */
// oxlint-disable-next-line no-control-regex -- these are meant
export const plainText = /^[^\u0000-\u001f\u007f-\u009f]*$/;
