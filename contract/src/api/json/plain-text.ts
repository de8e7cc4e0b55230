/** Text without control characters. Written without Unicode classes, which some OpenAPI tools do not support. */
// oxlint-disable-next-line no-control-regex -- these are meant
export const plainText = /^[^\u0000-\u001f\u007f-\u009f]*$/;
