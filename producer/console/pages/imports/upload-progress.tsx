import { formatBytes } from "../../ui/numbers.ts";
import { continueUpload, pauseUpload, type Upload } from "./upload.ts";

/** How much of a file is sent, with its pause. */
export function UploadProgress({ id, upload }: { id: string; upload: Upload }) {
  const { fileName, status, sentBytes, totalBytes, error } = upload;
  return (
    <div class="notice" data-tone={status === "failed" ? "bad" : undefined}>
      <p class="progress">
        {totalBytes !== undefined && (
          <>
            <progress max={totalBytes} value={sentBytes} aria-label="Sent bytes" />{" "}
          </>
        )}
        {formatBytes(sentBytes)}
        {totalBytes !== undefined && ` of ${formatBytes(totalBytes)}`} of {fileName}{" "}
        {status === "failed" ? "sent, then it failed." : status}
        {error !== undefined && <span class="error-text"> {error}</span>}
      </p>
      <span class="notice-actions">
        {status === "sending" ? (
          <button class="button small" type="button" onClick={() => pauseUpload(id)}>
            Pause
          </button>
        ) : (
          <button class="button small" type="button" onClick={() => continueUpload(id)}>
            Continue
          </button>
        )}
      </span>
    </div>
  );
}
