/**
 * The driver, for all of Toril. `bun run pack` replaces the import of this file by the patched copy of postgres.js that the
 * package contains: the patch of ops/patches would not reach those who install the package.
 */
export { default as postgres } from "postgres";
