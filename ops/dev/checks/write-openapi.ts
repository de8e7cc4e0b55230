// Untracked: land.sh names this path; the check itself is in contract/scripts.
import "../../../contract/scripts/write-openapi.ts";
