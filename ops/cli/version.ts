/** Version of this command: the version of its package, which a built program does not contain. */
export const version = "0.2.0";
