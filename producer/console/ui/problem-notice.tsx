import { TorilError } from "@toril/client";
import { describeError } from "../app/api.ts";

/** A failed request with its errors by field. */
export function ProblemNotice({ error }: { error: unknown }) {
  if (error === undefined) return null;
  if (!(error instanceof TorilError)) {
    return (
      <p class="error-text" role="alert">
        {describeError(error)}
      </p>
    );
  }
  const { title, detail, errors = [] } = error.problem;
  return (
    <div class="notice" data-tone="bad" role="alert">
      <p>
        <strong>{title}.</strong> {detail}
      </p>
      {errors.length > 0 && (
        <ul class="pointers">
          {errors.map(({ pointer, detail }, index) => (
            <li key={index}>
              <code>{pointer === "" ? "/" : pointer}</code> {detail}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
